"""The routes of a tool's deployments."""

import asyncio
import re
from functools import partial
from http import HTTPStatus

from aiohttp import web
from aiohttp_apigami import querystring_schema
from marshmallow import Schema, fields, validate

from components.engine.context import Answer
from components.engine.deployments import (
    cancel_deployment,
    create_deployment,
    delete_deployment,
    list_deployments,
    show_deployment,
)
from components.engine.model import Deployment
from components.engine.waiting import tag, until_changed
from components.http.documentation import DeploymentPath, ToolPath, operation
from components.http.envelope import wrapped
from components.http.keys import DEADLINE, ENGINE, REFRESHER, SETTINGS, STOPPING
from components.http.schemas import (
    DeploymentResponseSchema,
    DeploymentSchema,
    DeploymentsResponseSchema,
    DeploymentsSchema,
)

_DEPLOYMENT = DeploymentSchema()
_DEPLOYMENTS = DeploymentsSchema()


MAX_WAIT_SECONDS = 60.0


class WaitQuery(Schema):
    """Whether to wait for a change."""

    wait = fields.Float(
        load_default=0.0,
        validate=validate.Range(0, MAX_WAIT_SECONDS),
        metadata={
            "description": "For how many seconds to hold the answer until the deployment changes "
            "or is final. With `If-None-Match`, until it is another than that one."
        },
    )


def _answered(
    answer: Answer[Deployment], status: HTTPStatus = HTTPStatus.OK, **headers: str
) -> web.Response:
    headers["ETag"] = f'W/"{tag(answer.value)}"'
    return wrapped(
        _DEPLOYMENT.dump(answer.value),
        warnings=answer.warnings,
        errors=answer.errors,
        status=status,
        headers=headers,
    )


@operation(
    "createDeployment",
    "Deploy the stored configuration: launch all its builds at once",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    path=ToolPath,
    tags=["deployments"],
    status=HTTPStatus.CREATED,
)
async def post_deploy(request: web.Request) -> web.Response:
    """Create a deployment and answer it, with its location."""
    tool = request.match_info["toolname"]
    answer = await create_deployment(request.app[ENGINE], tool)
    location = request.app.router["deployment"].url_for(toolname=tool, deploy_id=answer.value.id)
    return _answered(answer, HTTPStatus.CREATED, Location=str(location))


@operation(
    "listDeployments",
    "All deployments that are kept, newest first, as they are stored",
    DeploymentsResponseSchema,
    path=ToolPath,
    tags=["deployments"],
)
async def get_deployments(request: web.Request) -> web.Response:
    """Answer all deployments of a tool."""
    answer = await list_deployments(request.app[ENGINE], request.match_info["toolname"])
    data = _DEPLOYMENTS.dump({"deployments": answer.value})
    return wrapped(data, warnings=answer.warnings)


@operation(
    "getDeployment",
    "A deployment, brought up to date with its builds unless it is final",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=DeploymentPath,
    tags=["deployments"],
    responses={HTTPStatus.NOT_MODIFIED: {"description": "It is as `If-None-Match` names it."}},
)
@querystring_schema(WaitQuery)
async def get_deployment(request: web.Request) -> web.StreamResponse:
    """Answer one deployment as it is now, or, if it is waited for, once it has changed."""
    path, seconds = request.match_info, request["querystring"]["wait"]
    known = _known(request)
    show = partial(
        show_deployment,
        request.app[ENGINE],
        request.app[REFRESHER],
        path["toolname"],
        path["deploy_id"],
    )
    answer = await show()
    if seconds:
        loop, patience = asyncio.get_running_loop(), request.app[SETTINGS].request_timeout
        request[DEADLINE].reschedule(loop.time() + seconds + patience)
        stopping = request.app[STOPPING]
        answer = await until_changed(show, known or tag(answer.value), seconds, stopping)
    if known == tag(answer.value):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": f'W/"{known}"'})
    return _answered(answer)


def _known(request: web.Request) -> str:
    """Return the tag that the client knows; empty where it names none."""
    found = re.fullmatch(r'(?:W/)?"([0-9a-f]{16})"', request.headers.get("If-None-Match", ""))
    return found[1] if found else ""


@operation(
    "cancelDeployment",
    "Cancel a deployment: what was not started never is, what runs is told to end",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    path=DeploymentPath,
    tags=["deployments"],
)
async def put_cancel(request: web.Request) -> web.Response:
    """Cancel a deployment and answer it."""
    return _answered(
        await cancel_deployment(
            request.app[ENGINE],
            request.app[REFRESHER],
            request.match_info["toolname"],
            request.match_info["deploy_id"],
        )
    )


@operation(
    "deleteDeployment",
    "Remove a deployment that is final, and return it",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    path=DeploymentPath,
    tags=["deployments"],
)
async def delete_route(request: web.Request) -> web.Response:
    """Remove a deployment and answer what it was."""
    return _answered(
        await delete_deployment(
            request.app[ENGINE],
            request.app[REFRESHER],
            request.match_info["toolname"],
            request.match_info["deploy_id"],
        )
    )


ROUTES = (
    web.post("/api/v1/tool/{toolname}/deploy", post_deploy),
    web.get("/api/v1/tool/{toolname}/deploy", get_deployments),
    web.get("/api/v1/tool/{toolname}/deploy/{deploy_id}", get_deployment, name="deployment"),
    web.delete("/api/v1/tool/{toolname}/deploy/{deploy_id}", delete_route),
    web.put("/api/v1/tool/{toolname}/deploy/{deploy_id}/cancel", put_cancel),
)
