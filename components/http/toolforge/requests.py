"""The query and the body of a request, as this interface has them."""

from dataclasses import dataclass

from aiohttp import web
from marshmallow import Schema, fields

from components.configuration.problems import listed, named, printable
from components.http.errors import BadBody
from components.http.requests.deploy_requests import described
from components.http.requests.objects import read_value
from components.http.requests.queries import Switch


class CommonQuery(Schema):
    """What every route takes."""

    rebuild_storage = Switch(
        load_default=False, metadata={"description": "Has no effect: nothing needs to be rebuilt."}
    )


class DeploymentQuery(CommonQuery):
    """What the routes take that a deploy token opens."""

    token = fields.String(metadata={"description": "The tool's deploy token."})


class LatestCancelQuery(CommonQuery):
    """What cancelling the latest deployment takes."""

    deployment_id = fields.String(
        metadata={"description": "Has no effect: the path names the deployment."}
    )


class CreateQuery(DeploymentQuery):
    """What a new deployment takes."""

    force_build = Switch(
        data_key="force-build",
        load_default=False,
        metadata={"description": "Build even what can be reused."},
    )
    force_run = Switch(
        data_key="force-run",
        load_default=False,
        metadata={"description": "Restart also components that run already."},
    )


DEPLOY_BODY = {
    "required": False,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "nullable": True,
                "properties": {
                    "description": {
                        "type": "string",
                        "default": "",
                        "description": "For people: what is deployed, and why.",
                    }
                },
            }
        }
    },
}
"""The OpenAPI request body of a new deployment; unknown fields have no effect."""


@dataclass(frozen=True, slots=True)
class DeployBody:
    """A parsed body, and warnings for the client."""

    description: str = ""
    warnings: tuple[str, ...] = ()


async def read_deploy_body(request: web.Request) -> DeployBody:
    """Parse the body of a new deployment: none, null, or an object.

    What forges send when something is pushed is accepted too: what is unknown is only a warning.
    Raises `UnsupportedFormat`, `MalformedConfiguration`, `BadBody`.
    """
    value = await read_value(request) if await request.read() else None
    if value is None:
        return DeployBody()
    if not isinstance(value, dict):
        raise BadBody([f"the body must be a JSON object, not {printable(value)}"])
    given = value.get("description", "")
    if not isinstance(given, str):
        raise BadBody([f"description: must be a string, not {printable(given)}"])
    description, warnings = described(given)
    unknown = [named(name) for name in value if name != "description"]
    if unknown:
        warnings = (*warnings, f"unknown fields of the body have no effect: {listed(unknown)}")
    return DeployBody(description, warnings)
