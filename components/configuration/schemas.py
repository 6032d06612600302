"""The configuration as marshmallow schemas: what each field is for and what it may be.

Fields that no schema knows are kept, so every schema includes them; `validation` reports them.
"""

from enum import StrEnum
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validates_schema

from components.configuration.fields import (
    CronSchedule,
    Flag,
    Mapping,
    OneOf,
    Pattern,
    RepositoryUrl,
    Text,
    WholeNumber,
    number_of_items,
)
from components.configuration.problems import printable

MAX_COMPONENTS = 200

DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""RFC 1123, as Kubernetes has it: it names the objects of a component."""

_REF = r"[^\s\x00-\x20\x7f-\x9f-][^\s\x00-\x20\x7f-\x9f]*"
# kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity
_QUANTITY = r"\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?"
_FILE_PATH = r"[^\x00-\x1f\x7f]+"
_URL_PATH = r"/[^\s\x00-\x1f\x7f]*"


class ComponentType(StrEnum):
    """What a component is: something that always runs, or something that runs now and then."""

    CONTINUOUS = "continuous"
    SCHEDULED = "scheduled"


class ConfigurationPart(Schema):
    """What all parts of a configuration share: unknown fields are kept."""

    error_messages = {"type": "must be a mapping"}  # noqa: RUF012 - marshmallow's own way

    class Meta:
        """Marshmallow's options."""

        unknown = INCLUDE


class Part(fields.Nested):
    """A required mapping, checked by a schema of its own."""

    def __init__(self, schema: type[Schema], required_message: str) -> None:
        messages = {"required": required_message, "null": "must be a mapping, not null"}
        super().__init__(schema, required=True, error_messages=messages)


class BuildSourceSchema(ConfigurationPart):
    """Where a component's image comes from: a repository, or another component's build."""

    repository = Text(
        validate=RepositoryUrl(),
        metadata={
            "description": "The git repository to build from; needed unless reuse_from is given."
        },
    )
    ref = Text(
        validate=Pattern(
            _REF, "a branch, tag or commit: no white space, and no '-' at the beginning"
        ),
        metadata={"description": "Branch, tag or commit; left out: the default branch."},
    )
    use_latest_versions = Flag(
        metadata={"description": "Build with the latest versions of the builder's images."}
    )
    use_deprecated_versions = Flag(
        metadata={"description": "Build with deprecated versions of them."}
    )
    reuse_from = Text(
        metadata={"description": "Take the image of this component; excludes all other fields."}
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_one_source(self, data: Any, given: Any, **_: Any) -> None:
        if not isinstance(given, dict):
            return
        if "reuse_from" in given:
            others = [name for name in self.fields if name in given and name != "reuse_from"]
            if others:
                raise ValidationError(
                    {name: ["must be left out where reuse_from is given"] for name in others}
                )
        elif "repository" not in given:
            raise ValidationError("needs a repository, or reuse_from with a component's name")


class RunSchema(ConfigurationPart):
    """What both types of component have in common."""

    command = Text(
        required=True,
        validate=Pattern(r"[^\x00]*[^\s\x00][^\x00]*", "a command"),
        metadata={"description": "What to run."},
    )
    cpu = Text(
        validate=Pattern(_QUANTITY, 'a Kubernetes quantity such as "500m" or "2"'),
        metadata={"description": "Processors, as a Kubernetes quantity."},
    )
    memory = Text(
        validate=Pattern(_QUANTITY, 'a Kubernetes quantity such as "512Mi" or "1Gi"'),
        metadata={"description": "Memory, as a Kubernetes quantity."},
    )
    mount = Text(
        validate=OneOf(["none", "all"]),
        metadata={"description": "Which shared file systems to mount."},
    )
    emails = Text(
        validate=OneOf(["none", "all", "onfinish", "onfailure"]),
        metadata={"description": "When to write to the tool's maintainers."},
    )
    filelog = Flag(metadata={"description": "Write the output to files."})
    filelog_stdout = Text(
        validate=Pattern(_FILE_PATH, "a path"),
        metadata={"description": "The file for standard output."},
    )
    filelog_stderr = Text(
        validate=Pattern(_FILE_PATH, "a path"),
        metadata={"description": "The file for standard error."},
    )


class ContinuousRunSchema(RunSchema):
    """How a continuous component runs."""

    port = WholeNumber(
        minimum=1, maximum=65535, metadata={"description": "The port that it listens on."}
    )
    port_protocol = Text(
        validate=OneOf(["tcp", "udp"]),
        metadata={"description": "The port's protocol; left out: tcp."},
    )
    publish = Text(
        validate=OneOf(["/"]),
        metadata={"description": "The path to publish the port under; needs a tcp port."},
    )
    replicas = WholeNumber(minimum=1, metadata={"description": "How many of it run."})
    health_check_http = Text(
        validate=Pattern(_URL_PATH, 'a path that begins with "/"'),
        metadata={"description": "The path to ask for its health; needs a tcp port."},
    )
    health_check_script = Text(
        validate=Pattern(r"[^\x00]*[^\s\x00][^\x00]*", "a command"),
        metadata={"description": "The command to ask for its health."},
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_health_and_port(self, data: Any, given: Any, **_: Any) -> None:
        if not isinstance(given, dict):
            return
        problems: dict[str, list[str]] = {}
        has_tcp_port = "port" in given and given.get("port_protocol") != "udp"
        for name in ("publish", "health_check_http"):
            if name in given and not has_tcp_port:
                problems[name] = ["needs a tcp port: give the component's port"]
        if "health_check_http" in given and "health_check_script" in given:
            problems.setdefault("health_check_script", []).append(
                "cannot be given beside health_check_http: keep one of them"
            )
        if problems:
            raise ValidationError(problems)


class ScheduledRunSchema(RunSchema):
    """How a scheduled component runs."""

    schedule = Text(
        required=True,
        validate=CronSchedule(),
        metadata={"description": "When it runs: five cron fields, or @hourly to @annually."},
    )
    timeout = WholeNumber(minimum=0, metadata={"description": "Seconds that a run may take."})
    retry = WholeNumber(
        minimum=0, maximum=5, metadata={"description": "How often a failed run is repeated."}
    )


_BUILD_REQUIRED = "is required: a repository, or reuse_from with a component's name"


class ContinuousComponentSchema(ConfigurationPart):
    """A component that always runs."""

    component_type = Text(
        validate=OneOf([ComponentType.CONTINUOUS], told=ComponentType),
        metadata={"description": "Left out: continuous, unless run has a schedule."},
    )
    build = Part(
        BuildSourceSchema, "is required: a repository, or reuse_from with a component's name"
    )
    run = Part(ContinuousRunSchema, "is required: at least the command to run")


class ScheduledComponentSchema(ConfigurationPart):
    """A component that runs when its schedule says."""

    component_type = Text(
        validate=OneOf([ComponentType.SCHEDULED], told=ComponentType),
        metadata={"description": "Left out: scheduled, if run has a schedule."},
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
    """Return a component's type: as it says, or scheduled if its run has a schedule."""
    if not isinstance(component, dict):
        return ComponentType.CONTINUOUS
    for each in ComponentType:
        if component.get("component_type") == each:
            return each
    run = component.get("run")
    has_schedule = isinstance(run, dict) and "schedule" in run
    return ComponentType.SCHEDULED if has_schedule else ComponentType.CONTINUOUS


class Component(fields.Field):
    """A component, checked by the schema of its type."""

    default_error_messages = {"null": "must be a mapping, not null"}  # noqa: RUF012

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return COMPONENT_SCHEMAS[component_type(value)]().load(value)


class ConfigurationSchema(ConfigurationPart):
    """What a tool is made of."""

    config_version = Text(
        validate=OneOf(["v1beta1"]), metadata={"description": "The version of this format."}
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
        required=True,
        validate=number_of_items(1, MAX_COMPONENTS, "components"),
        metadata={
            "description": "The components by name; a name is a DNS label.",
            "minProperties": 1,
            "maxProperties": MAX_COMPONENTS,
        },
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_reuse(self, data: Any, given: Any, **_: Any) -> None:
        """Each `reuse_from` names a component that has a source of its own."""
        components = given.get("components") if isinstance(given, dict) else None
        if not isinstance(components, dict):
            return
        sources = [name for name, component in components.items() if _has_source(component)]
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


def _reuse_message(reused: str, sources: list[str]) -> str:
    known = f": {', '.join(sources[:10])}" if sources else ", and there is none"
    return f"must name a component that has a repository of its own{known}; not {printable(reused)}"
