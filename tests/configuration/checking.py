"""What the tests of configurations ask of one."""

from typing import Any

from components.configuration.problems import InvalidConfiguration
from components.configuration.validation import validate
from tests.factories import component, configuration


def errors(value: Any) -> list[str]:
    """What is wrong with `value`, as people see it; empty where nothing is."""
    try:
        validate(value)
    except InvalidConfiguration as error:
        return [str(problem) for problem in error.problems]
    return []


def with_run(**run: Any) -> dict[str, Any]:
    """A configuration of one component, whose `run` is added to."""
    return configuration(web=component(**run))


def with_build(**build: Any) -> dict[str, Any]:
    """A configuration of one component, whose `build` is replaced."""
    return {"components": {"web": {"build": build, "run": {"command": "start"}}}}
