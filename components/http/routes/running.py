"""The routes of running components."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from components.engine.context import Answer, Engine
from components.engine.runs.operations import (
    Components,
    restart_component,
    show_running,
    start_component,
    stop_components,
)
from components.http.documentation.document import ComponentPath, ToolPath, operation
from components.http.keys import ENGINE
from components.http.responses.envelope import enveloped
from components.http.responses.run_schemas import RunningSchema
from components.http.responses.schemas import RunningResponseSchema

_RUNNING = RunningSchema()


@operation(
    "listRunning",
    "List the running components, with their health, deployment and commit",
    RunningResponseSchema,
    path=ToolPath,
    tags=["running"],
)
async def get_running(request: web.Request) -> web.Response:
    """Return the running components."""
    return _response(await show_running(request.app[ENGINE], request.match_info["toolname"]))


@operation(
    "stopAll",
    "Stop all components, delete their resources, and return what ran",
    RunningResponseSchema,
    HTTPStatus.CONFLICT,
    path=ToolPath,
    tags=["running"],
)
async def delete_all(request: web.Request) -> web.Response:
    """Stop all components."""
    return _response(await stop_components(request.app[ENGINE], request.match_info["toolname"]))


@operation(
    "stopComponent",
    "Stop a component, delete its resources, and return what ran",
    RunningResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    path=ComponentPath,
    tags=["running"],
)
async def delete_component(request: web.Request) -> web.Response:
    """Stop one component."""
    return await _of_component(request, stop_components)


@operation(
    "restartComponent",
    "Restart a continuous component, one instance after another",
    RunningResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    path=ComponentPath,
    tags=["running"],
)
async def post_restart(request: web.Request) -> web.Response:
    """Restart a component, and return the running components."""
    return await _of_component(request, restart_component)


@operation(
    "startComponent",
    "Run a scheduled component once, now",
    RunningResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    path=ComponentPath,
    tags=["running"],
)
async def post_start(request: web.Request) -> web.Response:
    """Run a scheduled component, and return the running components."""
    return await _of_component(request, start_component)


async def _of_component(
    request: web.Request, action: Callable[[Engine, str, str], Awaitable[Answer[Components]]]
) -> web.Response:
    path = request.match_info
    return _response(await action(request.app[ENGINE], path["toolname"], path["component"]))


def _response(answer: Answer[Components]) -> web.Response:
    return enveloped(_RUNNING.dump({"components": answer.value}), warnings=answer.warnings)


ROUTES = (
    web.get("/api/v1/tool/{toolname}/run", get_running),
    web.delete("/api/v1/tool/{toolname}/run", delete_all),
    web.delete("/api/v1/tool/{toolname}/run/{component}", delete_component),
    web.post("/api/v1/tool/{toolname}/run/{component}/restart", post_restart),
    web.post("/api/v1/tool/{toolname}/run/{component}/start", post_start),
)
