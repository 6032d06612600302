"""The routes of a tool's configuration, as Toolforge's components service has them."""

from http import HTTPStatus

from aiohttp import web
from aiohttp_apigami import querystring_schema

from components.engine.configurations.generating import generate_configuration
from components.engine.configurations.operations import (
    delete_configuration,
    get_configuration,
    set_configuration,
)
from components.http.documentation.document import ToolPath
from components.http.identity.needs import TOOLFORGE
from components.http.keys import ENGINE
from components.http.requests.bodies import CONFIGURATION_BODY, read_configuration
from components.http.responses.envelope import enveloped
from components.http.responses.schemas import ConfigurationResponseSchema
from components.http.toolforge.documentation import tool_operation
from components.http.toolforge.requests import CommonQuery


@tool_operation(
    "toolforgeGetConfig",
    "Return the stored configuration, exactly as it was sent",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=ToolPath,
)
@querystring_schema(CommonQuery)
async def get_config(request: web.Request) -> web.Response:
    """Return the stored configuration."""
    found = await get_configuration(request.app[ENGINE], request.match_info["toolname"])
    return enveloped(found.value)


@tool_operation(
    "toolforgeGenerateConfig",
    "Return a configuration that would give what runs now, or a sample; nothing is stored",
    ConfigurationResponseSchema,
    path=ToolPath,
)
@querystring_schema(CommonQuery)
async def get_generated(request: web.Request) -> web.Response:
    """Return a generated configuration."""
    answer = await generate_configuration(request.app[ENGINE], request.match_info["toolname"])
    return enveloped(answer.value, info=answer.info, warnings=answer.warnings)


@tool_operation(
    "toolforgeSetConfig",
    "Validate a configuration and store it, replacing the current one",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    path=ToolPath,
    requestBody=CONFIGURATION_BODY,
)
@querystring_schema(CommonQuery)
async def post_config(request: web.Request) -> web.Response:
    """Store the configuration in the body and return it."""
    tool = request.match_info["toolname"]
    configuration = await read_configuration(request)
    answer = await set_configuration(request.app[ENGINE], tool, configuration)
    info = (f"Configuration of {tool} stored successfully.", *answer.info)
    return enveloped(answer.value.value, info=info, warnings=answer.warnings)


@tool_operation(
    "toolforgeDeleteConfig",
    "Delete the configuration and return it",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=ToolPath,
)
@querystring_schema(CommonQuery)
async def delete_config(request: web.Request) -> web.Response:
    """Delete the configuration and return it. Queued deployments are cancelled."""
    answer = await delete_configuration(request.app[ENGINE], request.match_info["toolname"])
    return enveloped(answer.value.value, info=answer.info, warnings=answer.warnings)


ROUTES = (
    web.get(f"{TOOLFORGE}/config", get_config),
    web.get(f"{TOOLFORGE}/config/generate", get_generated),
    web.post(f"{TOOLFORGE}/config", post_config),
    web.delete(f"{TOOLFORGE}/config", delete_config),
)
