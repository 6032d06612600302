"""The logs of builds and of running components."""

from http import HTTPStatus

from aiohttp import web
from aiohttp_apigami import querystring_schema

from components.engine.loop.build_logs import build_log
from components.engine.runs.operations import running_log
from components.http.documentation.document import BuildPath, ComponentPath, operation
from components.http.keys import ENGINE, REFRESHER
from components.http.routes.log_streams import LogQuery, stream


@operation(
    "getBuildLog",
    "Stream the log of a component's build, as plain text without an envelope",
    None,
    HTTPStatus.NOT_FOUND,
    path=BuildPath,
    tags=["deployments"],
)
@querystring_schema(LogQuery)
async def get_log(request: web.Request) -> web.StreamResponse:
    """Stream the log of a build."""
    path, follow = request.match_info, request["querystring"]["follow"]
    lines = await build_log(
        request.app[ENGINE],
        request.app[REFRESHER],
        path["toolname"],
        path["deploy_id"],
        path["component"],
        follow=follow,
    )
    return await stream(request, lines)


@operation(
    "getRunningLog",
    "Stream the log of a running component, as plain text without an envelope",
    None,
    HTTPStatus.NOT_FOUND,
    path=ComponentPath,
    tags=["running"],
)
@querystring_schema(LogQuery)
async def get_running_log(request: web.Request) -> web.StreamResponse:
    """Stream the log of a running component."""
    path, follow = request.match_info, request["querystring"]["follow"]
    lines = await running_log(
        request.app[ENGINE], path["toolname"], path["component"], follow=follow
    )
    return await stream(request, lines)


ROUTES = (
    web.get(
        "/api/v1/tool/{toolname}/deploy/{deploy_id}/builds/{component}/log",
        get_log,
        allow_head=False,
    ),
    web.get(
        "/api/v1/tool/{toolname}/run/{component}/log",
        get_running_log,
        allow_head=False,
    ),
)
