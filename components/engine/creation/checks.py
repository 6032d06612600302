"""What the runner cannot carry out of a configuration, found before anything is built."""

from collections.abc import Mapping
from typing import Any

from backends.runners.base import Remark, Runner
from components.configuration.problems import InvalidConfiguration, Problem, path_text
from components.engine.runs.wanted import specs


def check_runs(runner: Runner, tool: str, configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """Return warnings about run parts, by path. Raises `InvalidConfiguration` with all problems."""
    problems: list[Problem] = []
    warnings: list[str] = []
    for name, spec in specs(configuration).items():
        checked = runner.check(tool, name, spec)
        problems += [Problem(_path(name, each), each.message) for each in checked.problems]
        warnings += [f"{path_text(_path(name, each))}: {each.message}" for each in checked.warnings]
    if problems:
        raise InvalidConfiguration(tuple(problems))
    return tuple(warnings)


def _path(component: str, remark: Remark) -> tuple[str, ...]:
    return ("components", component, *(("run", remark.field) if remark.field else ()))
