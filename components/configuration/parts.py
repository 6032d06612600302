"""The parts of a component: the source of its image, and how it runs.

Unknown fields are kept, so every schema includes them; `validation` warns about them.
"""

from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validates_schema

from components.configuration.fields import (
    CronSchedule,
    Flag,
    OneOf,
    Pattern,
    Text,
    Url,
    WholeNumber,
)

_REF = r"[^\s\x00-\x20\x7f-\x9f-][^\s\x00-\x20\x7f-\x9f]*"
# kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity
_QUANTITY = r"\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?"
_QUANTITY_LENGTH = 64
_COMMAND = r"\s*[^\s\x00][^\x00]*"
_FILE_PATH = r"[^\x00-\x1f\x7f]+"
_URL_PATH = r"/[^\s\x00-\x1f\x7f]*"

# A field with ranges can list many times as many values as it has characters.
_SCHEDULE_LENGTH = 500


class ConfigurationPart(Schema):
    """The base of all parts of a configuration: unknown fields are kept."""

    error_messages = {"type": "must be a mapping"}  # noqa: RUF012 - as marshmallow requires

    class Meta:
        """Marshmallow's options."""

        unknown = INCLUDE


class Part(fields.Nested):
    """A required mapping, validated by a nested schema."""

    def __init__(self, schema: type[Schema], required_message: str) -> None:
        messages = {"required": required_message, "null": "must be a mapping, not null"}
        super().__init__(schema, required=True, error_messages=messages)


class BuildSourceSchema(ConfigurationPart):
    """The source of a component's image: a repository, or another component's build."""

    repository = Text(
        validate=Url("http", "https", "git"),
        metadata={
            "description": "The git repository to build from; required unless reuse_from is given."
        },
    )
    ref = Text(
        validate=Pattern(
            _REF, "a branch, tag or commit, without white space and without '-' at the start"
        ),
        metadata={"description": "Branch, tag or commit; by default the default branch."},
    )
    use_latest_versions = Flag(
        metadata={"description": "Build with the latest versions of the builder's images."}
    )
    use_deprecated_versions = Flag(
        metadata={"description": "Build with deprecated versions of the builder's images."}
    )
    reuse_from = Text(
        metadata={"description": "Use the image of this component; excludes all other fields."}
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _check_one_source(self, data: Any, given: Any, **_: Any) -> None:
        if not isinstance(given, dict):
            return
        if "reuse_from" in given:
            others = [name for name in self.fields if name in given and name != "reuse_from"]
            if others:
                raise ValidationError(
                    {name: ["must be left out because reuse_from is given"] for name in others}
                )
        elif "repository" not in given:
            raise ValidationError("needs a repository, or reuse_from with a component's name")


class RunSchema(ConfigurationPart):
    """The fields of both types of component."""

    command = Text(
        required=True,
        validate=Pattern(_COMMAND, "a command"),
        metadata={"description": "The command to run."},
    )
    cpu = Text(
        maximum=_QUANTITY_LENGTH,
        validate=Pattern(_QUANTITY, 'a Kubernetes quantity such as "500m" or "2"'),
        metadata={"description": "CPUs, as a Kubernetes quantity."},
    )
    memory = Text(
        maximum=_QUANTITY_LENGTH,
        validate=Pattern(_QUANTITY, 'a Kubernetes quantity such as "512Mi" or "1Gi"'),
        metadata={"description": "Memory, as a Kubernetes quantity."},
    )
    mount = Text(
        validate=OneOf(["none", "all"]),
        metadata={"description": "Which shared file systems to mount."},
    )
    emails = Text(
        validate=OneOf(["none", "all", "onfinish", "onfailure"]),
        metadata={"description": "When to send email to the tool's maintainers."},
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
        metadata={"description": "The port's protocol; by default tcp."},
    )
    publish = Text(
        validate=OneOf(["/"]),
        metadata={"description": "The path at which to publish the port; requires a tcp port."},
    )
    replicas = WholeNumber(minimum=1, metadata={"description": "How many instances run."})
    health_check_http = Text(
        validate=Pattern(_URL_PATH, 'a path that begins with "/"'),
        metadata={"description": "The path of the HTTP health check; requires a tcp port."},
    )
    health_check_script = Text(
        validate=Pattern(_COMMAND, "a command"),
        metadata={"description": "The command of the health check."},
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
                "cannot be combined with health_check_http: keep one of them"
            )
        if problems:
            raise ValidationError(problems)


class ScheduledRunSchema(RunSchema):
    """How a scheduled component runs."""

    schedule = Text(
        required=True,
        maximum=_SCHEDULE_LENGTH,
        validate=CronSchedule(),
        metadata={
            "description": "When it runs: five cron fields, or @hourly to @annually; at most "
            f"{_SCHEDULE_LENGTH} characters."
        },
    )
    timeout = WholeNumber(
        minimum=0, metadata={"description": "The maximum duration of a run in seconds."}
    )
    retry = WholeNumber(
        minimum=0, maximum=5, metadata={"description": "How often a failed run is retried."}
    )
