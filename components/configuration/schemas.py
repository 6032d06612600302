"""The marshmallow schemas of a configuration: two types of component, and rules between them."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from components.configuration.fields import (
    Mapping,
    OneOf,
    Pattern,
    Text,
    Url,
)
from components.configuration.parts import (
    BuildSourceSchema,
    ConfigurationPart,
    ContinuousRunSchema,
    Part,
    RunSchema,
    ScheduledRunSchema,
)
from components.configuration.problems import listed, printable

MAX_COMPONENTS = 200

ALTERNATIVES = frozenset({"components", "source_url"})
"""The fields of which a configuration must have one."""

_URL_LENGTH = 2000

MAX_NAME_LENGTH = 63
"""How many characters a component's name may have."""

DNS_LABEL = rf"[a-z0-9]([a-z0-9-]{{0,{MAX_NAME_LENGTH - 2}}}[a-z0-9])?"
"""A DNS label as in RFC 1123 and Kubernetes, because it names Kubernetes objects."""


class ComponentType(StrEnum):
    """The type of a component: it runs continuously, or on a schedule."""

    CONTINUOUS = "continuous"
    SCHEDULED = "scheduled"


_BUILD_REQUIRED = "is required: a repository, or reuse_from with a component's name"


class ContinuousComponentSchema(ConfigurationPart):
    """A component that runs continuously."""

    component_type = Text(
        validate=OneOf([ComponentType.CONTINUOUS], accepted=ComponentType),
        metadata={"description": "By default continuous, unless run has a schedule."},
    )
    build = Part(
        BuildSourceSchema, "is required: a repository, or reuse_from with a component's name"
    )
    run = Part(ContinuousRunSchema, "is required: at least the command to run")


class ScheduledComponentSchema(ConfigurationPart):
    """A component that runs on a schedule."""

    component_type = Text(
        validate=OneOf([ComponentType.SCHEDULED], accepted=ComponentType),
        metadata={"description": "By default scheduled if run has a schedule."},
    )
    build = Part(
        BuildSourceSchema, "is required: a repository, or reuse_from with a component's name"
    )
    run = Part(ScheduledRunSchema, "is required: at least the command to run, and its schedule")


COMPONENT_SCHEMAS: dict[ComponentType, type[ConfigurationPart]] = {
    ComponentType.CONTINUOUS: ContinuousComponentSchema,
    ComponentType.SCHEDULED: ScheduledComponentSchema,
}
RUN_SCHEMAS: dict[ComponentType, type[RunSchema]] = {
    ComponentType.CONTINUOUS: ContinuousRunSchema,
    ComponentType.SCHEDULED: ScheduledRunSchema,
}


def component_type(component: Any) -> ComponentType:
    """Return a component's type: `component_type`, or else scheduled if it has a schedule."""
    if not isinstance(component, dict):
        return ComponentType.CONTINUOUS
    for each in ComponentType:
        if component.get("component_type") == each:
            return each
    run = component.get("run")
    has_schedule = isinstance(run, dict) and "schedule" in run
    return ComponentType.SCHEDULED if has_schedule else ComponentType.CONTINUOUS


class Component(fields.Field):
    """A component, validated by the schema of its type."""

    default_error_messages = {"null": "must be a mapping, not null"}  # noqa: RUF012

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return _LOADED_BY[component_type(value)].load(value)


# Created once: creating a schema takes longer than using it.
_LOADED_BY = {kind: schema() for kind, schema in COMPONENT_SCHEMAS.items()}


class ConfigurationSchema(ConfigurationPart):
    """The configuration of a tool."""

    config_version = Text(
        validate=OneOf(["v1beta1"]), metadata={"description": "The version of this format."}
    )
    source_url = Text(
        maximum=_URL_LENGTH,
        validate=Url("http", "https"),
        metadata={
            "description": "Where each deployment fetches the configuration from; everything else "
            "here then has no effect."
        },
    )
    components = Mapping(
        keys=Text(
            validate=Pattern(
                DNS_LABEL,
                "a DNS label: lower-case letters, digits and '-', at most 63 of them, "
                "with a letter or digit at both ends",
            )
        ),
        values=Component(),
        minimum=1,
        maximum=MAX_COMPONENTS,
        what="components",
        error_messages={"null": "must be a mapping, not null"},
        metadata={
            "description": "The components by name; a name is a DNS label. Required unless "
            "source_url is given."
        },
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_presence(self, data: Any, given: Any, **_: Any) -> None:
        if isinstance(given, dict) and not ALTERNATIVES & given.keys():
            raise ValidationError({"components": ["is required, and must be a mapping"]})

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_reuse(self, data: Any, given: Any, **_: Any) -> None:
        """Each `reuse_from` must name a component with a repository."""
        components = given.get("components") if isinstance(given, dict) else None
        if not isinstance(components, dict) or len(components) > MAX_COMPONENTS:
            return
        sources = {name: None for name, component in components.items() if _has_source(component)}
        problems = {
            name: {"value": {"build": {"reuse_from": [_reuse_message(reused, sources)]}}}
            for name, component in components.items()
            if (reused := _build_of(component).get("reuse_from")) is not None
            and isinstance(reused, str)
            and reused not in sources
        }
        if problems:
            raise ValidationError({"components": problems})


def _build_of(component: Any) -> dict[str, Any]:
    build = component.get("build") if isinstance(component, dict) else None
    return build if isinstance(build, dict) else {}


def _has_source(component: Any) -> bool:
    build = _build_of(component)
    return "repository" in build and "reuse_from" not in build


def _reuse_message(reused: str, sources: Collection[str]) -> str:
    known = f": {listed(sources)}" if sources else ", and there is none"
    return f"must name a component that has a repository{known}; not {printable(reused)}"
