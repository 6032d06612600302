"""Configurations made from what is there: only of what a configuration can have, or a sample."""

from collections.abc import Mapping
from typing import Any

from components.configuration.problems import InvalidConfiguration, Problem, path_text
from components.configuration.validation import validate

VERSION = "v1beta1"

_NEEDED = frozenset(["command", "schedule", "repository"])
"""What a component cannot be without."""

_FIELD_PATH_LENGTH = 4


def of_components(components: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of components."""
    return {"config_version": VERSION, "components": dict(components)}


def sample() -> dict[str, Any]:
    """Return a configuration of two components, as an example."""
    return of_components(
        {
            "web": {
                "component_type": "continuous",
                "build": {"repository": "https://git.example.org/mytool.git", "ref": "main"},
                "run": {"command": "web", "port": 8000, "health_check_http": "/"},
            },
            "nightly": {
                "component_type": "scheduled",
                "build": {"reuse_from": "web"},
                "run": {"command": "nightly", "schedule": "@daily"},
            },
        }
    )


def acceptable(
    name: str, component: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Return a component without what a configuration cannot have, and what was left out.

    `component` has a repository. It is None where nothing is left that could be a component.
    """
    rest = {key: dict(each) if isinstance(each, dict) else each for key, each in component.items()}
    left_out: list[str] = []
    while True:
        try:
            validate(of_components({name: rest}))
        except InvalidConfiguration as error:
            left_out += map(_left_out, error.problems)
            if not all(_removed(rest, each) for each in error.problems):
                return None, tuple(left_out)
        else:
            return rest, tuple(left_out)


def _left_out(problem: Problem) -> str:
    return f"{path_text(problem.path)}: left out, since it {problem.message}"


def _removed(component: dict[str, Any], problem: Problem) -> bool:
    """Remove the field of a problem; return whether a component is left."""
    if len(problem.path) < _FIELD_PATH_LENGTH or problem.path[3] in _NEEDED:
        return False
    part, field = map(str, problem.path[2:_FIELD_PATH_LENGTH])
    return component[part].pop(field, None) is not None
