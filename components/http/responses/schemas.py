"""The answers of the API as marshmallow schemas: how they are written, and how documented."""

from typing import Any

from marshmallow import Schema, fields, validate

from backends.builders.base import BuildStatus
from components.configuration.schemas import ConfigurationSchema
from components.engine.deployments.model import DeploymentStatus
from components.http.responses.fields import Status, Time
from components.http.responses.run_schemas import PlannedRunSchema, RunningSchema, RunSchema


class BuildSchema(Schema):
    """The build of one component."""

    id = fields.String(
        data_key="build-id",
        required=True,
        allow_none=True,
        metadata={
            "description": "The builder's own id; null until a builder has accepted the build."
        },
    )
    status = Status(BuildStatus)
    message = fields.String(
        required=True, metadata={"description": "For people: what it waits for, or why it failed."}
    )
    image = fields.String(
        required=True, allow_none=True, metadata={"description": "The image, once it is built."}
    )
    digest = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The image's digest, where the builder tells."},
    )
    commit = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The commit that was built, where the builder tells."},
    )
    started = Time(
        data_key="start-time",
        required=True,
        allow_none=True,
        metadata={"description": "When the build began."},
    )
    ended = Time(
        data_key="end-time",
        required=True,
        allow_none=True,
        metadata={"description": "When it ended."},
    )
    reused = fields.String(
        data_key="reused-from",
        required=True,
        allow_none=True,
        metadata={"description": "The deployment for which it was built, if not for this one."},
    )


class DeploymentSchema(Schema):
    """A deployment and the builds of all its components."""

    id = fields.String(data_key="deploy-id", required=True)
    created = Time(data_key="creation-time", required=True)
    status = Status(DeploymentStatus)
    message = fields.String(
        required=True,
        metadata={"description": "For people: what it waits for, or why it was cancelled."},
    )
    description = fields.String(
        required=True, metadata={"description": "What whoever made it said of it."}
    )
    all_builds = fields.Dict(
        data_key="builds", keys=fields.String(), values=fields.Nested(BuildSchema), required=True
    )
    runs = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(RunSchema),
        required=True,
        metadata={"description": "By component; empty where the service runs nothing."},
    )


class DeploymentsSchema(Schema):
    """The deployments of a tool, newest first."""

    deployments = fields.List(fields.Nested(DeploymentSchema), required=True)


class PlannedBuildSchema(Schema):
    """What would become of the build of one component."""

    action = fields.String(required=True, validate=validate.OneOf(("build", "reuse")))
    repository = fields.String(required=True)
    ref = fields.String(required=True, allow_none=True)
    commit = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "What the ref means now, where the builder can tell."},
    )
    reused = fields.String(
        data_key="reused-from",
        required=True,
        allow_none=True,
        metadata={"description": "The deployment whose build would be used."},
    )
    reason = fields.String(required=True)


class PreviewSchema(Schema):
    """What a deployment would do."""

    builds = fields.Dict(
        keys=fields.String(), values=fields.Nested(PlannedBuildSchema), required=True
    )
    runs = fields.Dict(keys=fields.String(), values=fields.Nested(PlannedRunSchema), required=True)


class KeptConfigurationSchema(Schema):
    """A configuration that a tool has, or had."""

    etag = fields.String(
        data_key="etag", required=True, metadata={"description": "As in `ETag`, without quotes."}
    )
    stored = Time(
        data_key="stored-time",
        required=True,
        allow_none=True,
        metadata={"description": "When it was stored."},
    )
    current = fields.Boolean(
        required=True, metadata={"description": "Whether it is the stored one, and not earlier."}
    )
    value = fields.Raw(data_key="config", required=True)


class HistorySchema(Schema):
    """The configurations of a tool that are kept, newest first."""

    configurations = fields.List(fields.Nested(KeptConfigurationSchema), required=True)


class HealthSchema(Schema):
    """That the service is alive."""

    status = fields.String(required=True)


class ReadinessSchema(Schema):
    """That the service can do its work, and how the builder is."""

    status = fields.String(required=True)
    store = fields.String(required=True)
    builder = fields.String(required=True)
    background = fields.String(required=True)
    background_round_age = fields.Float(
        data_key="background-round-age-seconds",
        required=True,
        metadata={"description": "Seconds since it was last looked for deployments."},
    )
    background_lag = fields.Float(
        data_key="background-lag-seconds",
        required=True,
        metadata={"description": "For how long a deployment has waited for its turn."},
    )


class MessagesSchema(Schema):
    """What people should be told."""

    info = fields.List(fields.String(), required=True)
    warning = fields.List(fields.String(), required=True)
    error = fields.List(fields.String(), required=True)


class ErrorResponseSchema(Schema):
    """An error: `messages.error` says what is wrong and what would be right."""

    data = fields.Raw(required=True, allow_none=True)
    messages = fields.Nested(MessagesSchema, required=True)


def _response(name: str, data: type[Schema]) -> type[Schema]:
    members: dict[str, Any] = {
        "data": fields.Nested(data, required=True),
        "messages": fields.Nested(MessagesSchema, required=True),
    }
    return Schema.from_dict(members, name=f"{name}ResponseSchema")


ConfigurationResponseSchema = _response("Configuration", ConfigurationSchema)
DeploymentResponseSchema = _response("Deployment", DeploymentSchema)
DeploymentsResponseSchema = _response("Deployments", DeploymentsSchema)
HistoryResponseSchema = _response("History", HistorySchema)
RunningResponseSchema = _response("Running", RunningSchema)
PreviewResponseSchema = _response("Preview", PreviewSchema)
HealthResponseSchema = _response("Health", HealthSchema)
ReadinessResponseSchema = _response("Readiness", ReadinessSchema)
