"""The routes of a tool's configuration."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from aiohttp import ETag, web

from components.configuration.schemas import ConfigurationSchema
from components.engine.configurations.documents import Configuration
from components.engine.configurations.operations import (
    HistoryEntry,
    delete_configuration,
    get_configuration,
    list_configurations,
    set_configuration,
)
from components.engine.context import Answer
from components.engine.threads import run_in_thread
from components.http.documentation.document import ToolPath, operation
from components.http.keys import ENGINE
from components.http.requests.bodies import read_configuration
from components.http.requests.conditions import TAGS_SCHEMA, condition_of, is_known, not_modified
from components.http.responses.envelope import envelope, enveloped, response
from components.http.responses.schemas import (
    ConfigurationResponseSchema,
    HistoryResponseSchema,
    KeptConfigurationSchema,
)

_KEPT = KeptConfigurationSchema()

_BODY = {
    "required": True,
    "content": {
        media_type: {"schema": ConfigurationSchema}
        for media_type in ("application/json", "application/yaml")
    },
}


_CONDITIONS: list[dict[str, Any]] = [
    {
        "in": "header",
        "name": "If-Match",
        "required": False,
        "schema": TAGS_SCHEMA,
        "description": "Only if the stored configuration has this `ETag`; `*` is any.",
    },
    {
        "in": "header",
        "name": "If-None-Match",
        "required": False,
        "schema": TAGS_SCHEMA,
        "description": "`*`: only if there is no configuration yet.",
    },
]


@operation(
    "getConfig",
    "The stored configuration, exactly as it was given",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=ToolPath,
    tags=["configuration"],
    responses={HTTPStatus.NOT_MODIFIED: {"description": "It is as `If-None-Match` names it."}},
)
async def get_config(request: web.Request) -> web.Response:
    """Answer the stored configuration, with its tag."""
    found = await get_configuration(request.app[ENGINE], request.match_info["toolname"])
    if is_known(request, found.etag):
        return not_modified(ETag(found.etag))
    return _configuration_response(Answer(found))


@operation(
    "listConfigs",
    "The configurations that are kept, newest first",
    HistoryResponseSchema,
    path=ToolPath,
    tags=["configuration"],
)
async def get_history(request: web.Request) -> web.Response:
    """Answer the stored configuration and those before it."""
    answer = await list_configurations(request.app[ENGINE], request.match_info["toolname"])
    return response(envelope(await run_in_thread(_written, answer.value), warnings=answer.warnings))


def _written(kept: Iterable[HistoryEntry]) -> str:
    """Return configurations as JSON, as `HistorySchema` has them; nobody is served during one."""
    texts = [json.dumps(_KEPT.dump(each)) for each in kept]
    return f'{{"configurations": [{", ".join(texts)}]}}'


@operation(
    "setConfig",
    "Validate a configuration and store it in the place of the one before",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    path=ToolPath,
    tags=["configuration"],
    requestBody=_BODY,
    parameters=_CONDITIONS,
)
async def post_config(request: web.Request) -> web.Response:
    """Store the configuration in the body and answer it."""
    configuration = await read_configuration(request)
    return _configuration_response(
        await set_configuration(
            request.app[ENGINE],
            request.match_info["toolname"],
            configuration,
            condition_of(request),
        )
    )


@operation(
    "deleteConfig",
    "Remove the configuration and return it",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.PRECONDITION_FAILED,
    path=ToolPath,
    tags=["configuration"],
    parameters=_CONDITIONS[:1],
)
async def delete_config(request: web.Request) -> web.Response:
    """Remove the configuration and answer what it was. What waits to be deployed is cancelled."""
    tool, condition = request.match_info["toolname"], condition_of(request)
    return _configuration_response(await delete_configuration(request.app[ENGINE], tool, condition))


def _configuration_response(answer: Answer[Configuration]) -> web.Response:
    found = enveloped(answer.value.value, info=answer.info, warnings=answer.warnings)
    found.etag = answer.value.etag
    return found


ROUTES = (
    web.get("/api/v1/tool/{toolname}/config", get_config),
    web.get("/api/v1/tool/{toolname}/config/history", get_history),
    web.post("/api/v1/tool/{toolname}/config", post_config),
    web.delete("/api/v1/tool/{toolname}/config", delete_config),
)
