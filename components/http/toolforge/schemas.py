"""The responses of this interface as marshmallow schemas, for the document of the API."""

from typing import Any

from marshmallow import Schema, fields, validate

from components.configuration.schemas import ConfigurationSchema
from components.http.responses.fields import Status, Time
from components.http.responses.schemas import MessagesSchema
from components.http.toolforge.states import BuildState, DeploymentState, RunState


class ToolforgeBuildSchema(Schema):
    """The build of one component."""

    build_id = fields.String(
        required=True,
        metadata={"description": "The builder's own id, or `no-id-yet`, or `no-build-needed`."},
    )
    build_status = Status(BuildState)
    build_image = fields.String(
        required=True, metadata={"description": "The image, or `no-image-yet`."}
    )
    build_long_status = fields.String(required=True)


class ToolforgeRunSchema(Schema):
    """The run of one component."""

    run_status = Status(RunState)
    run_long_status = fields.String(required=True)


class ToolforgeDeploymentSchema(Schema):
    """A deployment."""

    deploy_id = fields.String(required=True)
    creation_time = fields.String(
        required=True,
        metadata={"description": "In UTC, as `20240404-120000`.", "pattern": r"^\d{8}-\d{6}$"},
    )
    description = fields.String(required=True)
    status = Status(DeploymentState)
    long_status = fields.String(
        required=True, metadata={"description": "What is going on, and what to do about it."}
    )
    builds = fields.Dict(
        keys=fields.String(), values=fields.Nested(ToolforgeBuildSchema), required=True
    )
    runs = fields.Dict(
        keys=fields.String(), values=fields.Nested(ToolforgeRunSchema), required=True
    )
    tool_config = fields.Nested(
        ConfigurationSchema,
        required=True,
        allow_none=True,
        metadata={
            "description": "The configuration that is deployed; null only for the older ones of a "
            "long list."
        },
    )
    force_build = fields.Boolean(required=True)
    force_run = fields.Boolean(required=True)


class ToolforgeDeploymentsSchema(Schema):
    """The deployments of a tool, oldest first."""

    deployments = fields.List(fields.Nested(ToolforgeDeploymentSchema), required=True)


class ToolforgeTokenSchema(Schema):
    """The deploy token of a tool."""

    text = fields.UUID(data_key="token", required=True)
    created = Time(data_key="creation_date", required=True)


class ToolforgeHealthSchema(Schema):
    """Whether the service is alive."""

    status = fields.String(required=True, validate=validate.OneOf(("OK", "ERROR")))


class ToolforgeProblemSchema(Schema):
    """What is wrong with a request, and where."""

    loc = fields.List(fields.Raw(), required=True)
    msg = fields.String(required=True)
    type = fields.String(required=True)


class ToolforgeInvalidSchema(Schema):
    """The response to an invalid request: its problems are in `detail` as well."""

    data = fields.Raw(required=True, allow_none=True)
    messages = fields.Nested(MessagesSchema, required=True)
    detail = fields.List(fields.Nested(ToolforgeProblemSchema), required=True)


def enveloped_schema(name: str, data: type[Schema]) -> type[Schema]:
    """Return the schema of a response with this data."""
    members: dict[str, Any] = {
        "data": fields.Nested(data, required=True),
        "messages": fields.Nested(MessagesSchema, required=True),
    }
    return Schema.from_dict(members, name=f"Toolforge{name}ResponseSchema")


DeploymentResponseSchema = enveloped_schema("Deployment", ToolforgeDeploymentSchema)
DeploymentsResponseSchema = enveloped_schema("Deployments", ToolforgeDeploymentsSchema)
TokenResponseSchema = enveloped_schema("Token", ToolforgeTokenSchema)
HealthResponseSchema = enveloped_schema("Health", ToolforgeHealthSchema)
