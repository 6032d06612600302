"""The routes of a tool's configuration."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from aiohttp import ETag, web

from components.engine.configurations.documents import Configuration
from components.engine.configurations.generating import generate_configuration
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
from components.http.requests.bodies import CONFIGURATION_BODY, read_configuration
from components.http.requests.conditions import ETAGS_SCHEMA, condition_of, is_known, not_modified
from components.http.responses.envelope import envelope, enveloped, response
from components.http.responses.schemas import (
    ConfigurationResponseSchema,
    HistoryEntrySchema,
    HistoryResponseSchema,
)

_ENTRY = HistoryEntrySchema()

_CONDITIONS: list[dict[str, Any]] = [
    {
        "in": "header",
        "name": "If-Match",
        "required": False,
        "schema": ETAGS_SCHEMA,
        "description": "Only if the stored configuration has this `ETag`; `*` means any.",
    },
    {
        "in": "header",
        "name": "If-None-Match",
        "required": False,
        "schema": ETAGS_SCHEMA,
        "description": "`*`: only if there is no configuration yet.",
    },
]


@operation(
    "getConfig",
    "Return the stored configuration, exactly as it was sent",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=ToolPath,
    tags=["configuration"],
    responses={
        HTTPStatus.NOT_MODIFIED: {
            "description": "The client has the current version, by `If-None-Match`."
        }
    },
)
async def get_config(request: web.Request) -> web.Response:
    """Return the stored configuration, with its `ETag`."""
    found = await get_configuration(request.app[ENGINE], request.match_info["toolname"])
    if is_known(request, found.etag):
        return not_modified(ETag(found.etag))
    return _configuration_response(Answer(found, info=_origin(found)))


@operation(
    "listConfigs",
    "List the retained configurations, newest first",
    HistoryResponseSchema,
    path=ToolPath,
    tags=["configuration"],
)
async def get_history(request: web.Request) -> web.Response:
    """Return the stored configuration and earlier ones."""
    answer = await list_configurations(request.app[ENGINE], request.match_info["toolname"])
    return response(
        envelope(await run_in_thread(_history_json, answer.value), warnings=answer.warnings)
    )


def _history_json(entries: Iterable[HistoryEntry]) -> str:
    """Return configurations as JSON of `HistorySchema`; each dump holds the GIL."""
    texts = [json.dumps(_ENTRY.dump(each)) for each in entries]
    return f'{{"configurations": [{", ".join(texts)}]}}'


@operation(
    "setConfig",
    "Validate a configuration and store it, replacing the current one",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    path=ToolPath,
    tags=["configuration"],
    requestBody=CONFIGURATION_BODY,
    parameters=_CONDITIONS,
)
async def post_config(request: web.Request) -> web.Response:
    """Store the configuration in the body and return it."""
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
    "Delete the configuration and return it",
    ConfigurationResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.PRECONDITION_FAILED,
    path=ToolPath,
    tags=["configuration"],
    parameters=_CONDITIONS[:1],
)
async def delete_config(request: web.Request) -> web.Response:
    """Delete the configuration and return it. Queued deployments are cancelled."""
    tool, condition = request.match_info["toolname"], condition_of(request)
    return _configuration_response(await delete_configuration(request.app[ENGINE], tool, condition))


@operation(
    "generateConfig",
    "Generate a configuration from what runs, or a sample; nothing is stored",
    ConfigurationResponseSchema,
    path=ToolPath,
    tags=["configuration"],
)
async def get_generated(request: web.Request) -> web.Response:
    """Return a configuration that would give what runs, or a sample of one."""
    answer = await generate_configuration(request.app[ENGINE], request.match_info["toolname"])
    return enveloped(answer.value, info=answer.info, warnings=answer.warnings)


def _origin(found: Configuration) -> tuple[str, ...]:
    if found.origin is None:
        return ()
    return (f"it was fetched from its source_url: {found.origin.version}",)


def _configuration_response(answer: Answer[Configuration]) -> web.Response:
    found = enveloped(answer.value.value, info=answer.info, warnings=answer.warnings)
    found.etag = answer.value.etag
    return found


ROUTES = (
    web.get("/api/v1/tool/{toolname}/config", get_config),
    web.get("/api/v1/tool/{toolname}/config/history", get_history),
    web.get("/api/v1/tool/{toolname}/config/generate", get_generated),
    web.post("/api/v1/tool/{toolname}/config", post_config),
    web.delete("/api/v1/tool/{toolname}/config", delete_config),
)
