"""Validating a configuration: all errors, and all fields without effect, by path."""

from collections.abc import Iterable, Iterator
from typing import Any

from marshmallow import Schema, ValidationError

from components.configuration.parts import BuildSourceSchema
from components.configuration.problems import (
    InvalidConfiguration,
    Problem,
    first_problems,
    nearest,
)
from components.configuration.schemas import (
    COMPONENT_SCHEMAS,
    RUN_SCHEMAS,
    ComponentType,
    ConfigurationSchema,
    component_type,
)

Path = tuple[str | int, ...]

_IN_MAPPING = ("key", "value")
"""The keys under which marshmallow reports errors of a mapping's key and value."""

_COMPONENT_PATH_LENGTH = 2

_CONFIGURATION = ConfigurationSchema()


def validate(value: Any) -> None:
    """Validate a configuration. Raises `InvalidConfiguration` with all problems."""
    try:
        _CONFIGURATION.load(value)
    except ValidationError as error:
        problems = first_problems(_problems(error.messages, ()))
        raise InvalidConfiguration(problems, ineffective(value)) from None


def _problems(messages: Any, path: Path) -> Iterator[Problem]:
    """Flatten marshmallow's tree of errors into problems by path."""
    if isinstance(messages, dict):
        is_entry = len(path) == _COMPONENT_PATH_LENGTH and path[0] == "components"
        for step, below in messages.items():
            skipped = step == "_schema" or (is_entry and step in _IN_MAPPING)
            yield from _problems(below, path if skipped else (*path, step))
    else:
        for message in messages:
            yield Problem(path, message)


def ineffective(value: Any) -> tuple[Problem, ...]:
    """Return the fields that have no effect: unknown fields, and fields of the other type."""
    return first_problems(_ineffective(value))


def _ineffective(value: Any) -> Iterator[Problem]:
    if not isinstance(value, dict):
        return
    yield from _unknown(value, ConfigurationSchema, ())
    if "source_url" in value:
        if "components" in value:
            yield Problem(
                ("components",), "has no effect: each deployment fetches what source_url names"
            )
        return
    components = value.get("components")
    for name, component in components.items() if isinstance(components, dict) else ():
        if not isinstance(component, dict):
            continue
        path: Path = ("components", name)
        kind = component_type(component)
        yield from _unknown(component, COMPONENT_SCHEMAS[kind], path)
        if isinstance(build := component.get("build"), dict):
            yield from _unknown(build, BuildSourceSchema, (*path, "build"))
        if isinstance(run := component.get("run"), dict):
            yield from _unknown_in_run(run, kind, (*path, "run"))


def _unknown_in_run(run: dict[str, Any], kind: ComponentType, path: Path) -> Iterator[Problem]:
    other = next(each for each in ComponentType if each is not kind)
    others_alone = _names(RUN_SCHEMAS[other]) - _names(RUN_SCHEMAS[kind])
    for name in filter(others_alone.__contains__, run):
        yield Problem(
            (*path, name),
            f"has no effect: it is a field of {other} components, and this one is {kind}",
        )
    yield from _unknown(run, RUN_SCHEMAS[kind], path, others_alone)


def _unknown(
    value: dict[str, Any], schema: type[Schema], path: Path, also_known: Iterable[str] = ()
) -> Iterator[Problem]:
    known = _names(schema)
    for name in value:
        if name not in known and name not in also_known:
            hint = f"; did you mean {near}?" if (near := nearest(name, known)) else ""
            yield Problem((*path, name), f"has no effect: unknown field{hint}")


def _names(schema: type[Schema]) -> set[str]:
    return set(schema._declared_fields)
