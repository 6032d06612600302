"""The routes of a tool's configuration."""

from http import HTTPStatus

from aiohttp import web

from components.configuration.schemas import ConfigurationSchema
from components.engine.configurations import (
    delete_configuration,
    get_configuration,
    set_configuration,
)
from components.http.body import read_configuration
from components.http.documentation import ToolPath, operation
from components.http.envelope import wrapped
from components.http.keys import ENGINE
from components.http.schemas import ConfigurationResponseSchema

_BODY = {
    "required": True,
    "content": {
        media_type: {"schema": ConfigurationSchema}
        for media_type in ("application/json", "application/yaml")
    },
}


@operation(
    "getConfig",
    "The stored configuration, exactly as it was given",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=ToolPath,
    tags=["configuration"],
)
async def get_config(request: web.Request) -> web.Response:
    """Answer the stored configuration."""
    return wrapped(await get_configuration(request.app[ENGINE], request.match_info["toolname"]))


@operation(
    "setConfig",
    "Validate a configuration and store it in the place of the one before",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    path=ToolPath,
    tags=["configuration"],
    requestBody=_BODY,
)
async def post_config(request: web.Request) -> web.Response:
    """Store the configuration in the body and answer it."""
    configuration = await read_configuration(request)
    answer = await set_configuration(
        request.app[ENGINE], request.match_info["toolname"], configuration
    )
    return wrapped(answer.value, warnings=answer.warnings)


@operation(
    "deleteConfig",
    "Remove the configuration and return it",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=ToolPath,
    tags=["configuration"],
)
async def delete_config(request: web.Request) -> web.Response:
    """Remove the configuration and answer what it was."""
    return wrapped(await delete_configuration(request.app[ENGINE], request.match_info["toolname"]))


ROUTES = (
    web.get("/api/v1/tool/{toolname}/config", get_config),
    web.post("/api/v1/tool/{toolname}/config", post_config),
    web.delete("/api/v1/tool/{toolname}/config", delete_config),
)
