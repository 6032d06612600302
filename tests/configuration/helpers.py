"""Helpers for the tests of configurations."""

from typing import Any

from components.configuration.problems import InvalidConfiguration
from components.configuration.validation import validate
from tests.factories import component, configuration


def errors(value: Any) -> list[str]:
    """Return the error messages for `value`."""
    try:
        validate(value)
    except InvalidConfiguration as error:
        return [str(problem) for problem in error.problems]
    return []


def with_run(**run: Any) -> dict[str, Any]:
    """Return a configuration of one component, with these additional fields in `run`."""
    return configuration(web=component(**run))


def with_build(**build: Any) -> dict[str, Any]:
    """Return a configuration of one component, with this `build`."""
    return {"components": {"web": {"build": build, "run": {"command": "start"}}}}
