"""The responses of the API as marshmallow schemas, for serialization and documentation."""

from typing import Any

from marshmallow import Schema, fields, validate

from backends.builders.base import BuildStatus
from components.configuration.schemas import ConfigurationSchema
from components.engine.deployments.model import DeploymentStatus
from components.http.responses.fields import Status, Time
from components.http.responses.run_schemas import PlannedRunSchema, RunningSchema, RunSchema
from components.http.responses.token_schemas import (
    MadeTokenSchema,
    RevokedTokenSchema,
    TokensSchema,
)


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
        metadata={"description": "The image's digest, if the builder reports it."},
    )
    commit = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The commit that was built, if the builder reports it."},
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
        metadata={"description": "When the build ended."},
    )
    reused = fields.String(
        data_key="reused-from",
        required=True,
        allow_none=True,
        metadata={
            "description": "The deployment that built it, if it was not this one; or the build "
            "itself, if the builder has it from somebody else."
        },
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
        required=True, metadata={"description": "The text that its creator gave."}
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
    """The planned build of one component."""

    action = fields.String(required=True, validate=validate.OneOf(("build", "reuse")))
    repository = fields.String(required=True)
    ref = fields.String(required=True, allow_none=True)
    commit = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The commit that the ref points to now, if the builder can resolve it."
        },
    )
    reused = fields.String(
        data_key="reused-from",
        required=True,
        allow_none=True,
        metadata={
            "description": "The deployment whose build would be reused; or the build itself, if "
            "the builder has it from somebody else."
        },
    )
    reason = fields.String(required=True)


class PreviewSchema(Schema):
    """What a deployment would do."""

    builds = fields.Dict(
        keys=fields.String(), values=fields.Nested(PlannedBuildSchema), required=True
    )
    runs = fields.Dict(keys=fields.String(), values=fields.Nested(PlannedRunSchema), required=True)


class OriginSchema(Schema):
    """Where a configuration was fetched from, and which version it is."""

    url = fields.String(required=True, metadata={"description": "The `source_url`."})
    commit = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The commit, if the host or the URL names it."},
    )
    etag = fields.String(
        required=True, allow_none=True, metadata={"description": "The host's `ETag`, if any."}
    )


class HistoryEntrySchema(Schema):
    """A current or earlier configuration."""

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
        required=True, metadata={"description": "Whether it is the current one."}
    )
    origin = fields.Nested(
        OriginSchema,
        data_key="fetched-from",
        required=True,
        allow_none=True,
        metadata={"description": "Where it was fetched from; null if a client sent it."},
    )
    value = fields.Raw(data_key="config", required=True)


class HistorySchema(Schema):
    """The retained configurations of a tool, newest first."""

    configurations = fields.List(fields.Nested(HistoryEntrySchema), required=True)


class HealthSchema(Schema):
    """Whether the service is alive."""

    status = fields.String(required=True)


class ReadinessSchema(Schema):
    """Whether the service is ready, and the state of its backends."""

    status = fields.String(required=True)
    store = fields.String(required=True)
    builder = fields.String(required=True)
    runner = fields.String(required=True)
    background = fields.String(required=True)
    background_round_age = fields.Float(
        data_key="background-round-age-seconds",
        required=True,
        metadata={"description": "Seconds since the last complete scan for deployments."},
    )
    background_lag = fields.Float(
        data_key="background-lag-seconds",
        required=True,
        metadata={
            "description": "How long a deployment has been due to be reconciled, in seconds."
        },
    )


class MessagesSchema(Schema):
    """Messages for people."""

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
TokensResponseSchema = _response("Tokens", TokensSchema)
MadeTokenResponseSchema = _response("MadeToken", MadeTokenSchema)
RevokedTokenResponseSchema = _response("RevokedToken", RevokedTokenSchema)
HealthResponseSchema = _response("Health", HealthSchema)
ReadinessResponseSchema = _response("Readiness", ReadinessSchema)
