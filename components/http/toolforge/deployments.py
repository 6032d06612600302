"""The routes of a tool's deployments, as Toolforge's components service has them."""

import asyncio
from http import HTTPStatus

from aiohttp import web
from aiohttp_apigami import querystring_schema

from components.engine.context import Answer, Engine
from components.engine.creation.create import create_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.finding import LATEST
from components.engine.deployments.model import Deployment
from components.engine.deployments.operations import (
    MIN_VISIBLE_SECONDS,
    cancel_deployment,
    delete_deployment,
    list_deployments,
    show_deployment,
)
from components.engine.loop.refreshing import Refresher
from components.http.documentation.document import DeploymentPath, ToolPath
from components.http.identity.needs import TOOLFORGE
from components.http.keys import CALLER, DEADLINE, ENGINE, REFRESHER, SETTINGS
from components.http.responses.envelope import envelope, response
from components.http.toolforge.documentation import tool_operation
from components.http.toolforge.requests import (
    DEPLOY_BODY,
    CommonQuery,
    CreateQuery,
    DeploymentQuery,
    LatestCancelQuery,
    read_deploy_body,
)
from components.http.toolforge.schemas import (
    DeploymentResponseSchema,
    DeploymentsResponseSchema,
)
from components.http.toolforge.states import DeploymentState
from components.http.toolforge.translation import deployment_json, deployments_json


@tool_operation(
    "toolforgeCreateDeployment",
    "Deploy the stored configuration: start all its builds in parallel",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    path=ToolPath,
    requestBody=DEPLOY_BODY,
)
@querystring_schema(CreateQuery)
async def post_deployment(request: web.Request) -> web.Response:
    """Create a deployment and return it."""
    tool, query = request.match_info["toolname"], request["querystring"]
    body = await read_deploy_body(request)
    options = DeployRequest(
        body.description,
        force_build=query["force_build"],
        force_run=query["force_run"],
        when_busy=request.app[SETTINGS].toolforge_when_busy,
        permitted=request[CALLER].components,
    )
    answer = await create_deployment(request.app[ENGINE], tool, options)
    created = f"Deployment for {tool} created successfully."
    return _response(answer, info=(created,), warnings=body.warnings)


@tool_operation(
    "toolforgeListDeployments",
    "List the retained deployments, oldest first, as they are stored",
    DeploymentsResponseSchema,
    path=ToolPath,
)
@querystring_schema(DeploymentQuery)
async def get_deployments(request: web.Request) -> web.Response:
    """Return all deployments of a tool."""
    answer = await list_deployments(request.app[ENGINE], request.match_info["toolname"])
    return response(envelope(await deployments_json(answer.value), warnings=answer.warnings))


@tool_operation(
    "toolforgeGetDeployment",
    "Return a deployment, updated with the state of its builds unless it has ended",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=DeploymentPath,
)
@querystring_schema(DeploymentQuery)
async def get_deployment(request: web.Request) -> web.Response:
    """Return one deployment."""
    return _response(await show_deployment(*_arguments(request)))


@tool_operation(
    "toolforgeGetLatestDeployment",
    "Return the newest deployment",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=ToolPath,
)
@querystring_schema(DeploymentQuery)
async def get_latest(request: web.Request) -> web.Response:
    """Return the newest deployment."""
    return _response(await show_deployment(*_arguments(request)))


@tool_operation(
    "toolforgeCancelDeployment",
    "Cancel a deployment: waiting builds never start, running builds are cancelled",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    path=DeploymentPath,
)
@querystring_schema(CommonQuery)
async def put_cancel(request: web.Request) -> web.Response:
    """Cancel a deployment and return it."""
    return await _cancelled(request)


@tool_operation(
    "toolforgeCancelLatestDeployment",
    "Cancel the newest deployment",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    path=ToolPath,
)
@querystring_schema(LatestCancelQuery)
async def put_cancel_latest(request: web.Request) -> web.Response:
    """Cancel the newest deployment and return it."""
    return await _cancelled(request)


@tool_operation(
    "toolforgeDeleteDeployment",
    "Delete a deployment in any state and return it; what it has started is left alone",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=DeploymentPath,
)
@querystring_schema(CommonQuery)
async def delete_route(request: web.Request) -> web.Response:
    """Delete a deployment and return it as it was."""
    loop, timeout = asyncio.get_running_loop(), request.app[SETTINGS].request_timeout
    # Added to the timeout: clients that watch the deployment must see its end first.
    request[DEADLINE].reschedule(loop.time() + MIN_VISIBLE_SECONDS + timeout)
    return _response(await delete_deployment(*_arguments(request), unfinished=True))


async def _cancelled(request: web.Request) -> web.Response:
    """Cancel a deployment; it is shown as being cancelled, even if it has ended at once."""
    answer = await cancel_deployment(*_arguments(request), request[CALLER].components)
    return _response(answer, DeploymentState.CANCELLING)


def _arguments(request: web.Request) -> tuple[Engine, Refresher, str, str]:
    """Return the arguments of an operation on one deployment."""
    path = request.match_info
    deploy_id = path.get("deploy_id", LATEST)
    return request.app[ENGINE], request.app[REFRESHER], path["toolname"], deploy_id


def _response(
    answer: Answer[Deployment],
    state: DeploymentState | None = None,
    *,
    info: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
) -> web.Response:
    return response(
        envelope(
            deployment_json(answer.value, state),
            info=(*info, *answer.info),
            warnings=(*warnings, *answer.warnings),
            errors=answer.errors,
        )
    )


ROUTES = (
    web.post(f"{TOOLFORGE}/deployment", post_deployment),
    web.get(f"{TOOLFORGE}/deployment", get_deployments),
    # Before the paths with an id: the first that matches is used.
    web.get(f"{TOOLFORGE}/deployment/latest", get_latest),
    web.put(f"{TOOLFORGE}/deployment/latest/cancel", put_cancel_latest),
    web.get(f"{TOOLFORGE}/deployment/{{deploy_id}}", get_deployment),
    web.delete(f"{TOOLFORGE}/deployment/{{deploy_id}}", delete_route),
    web.put(f"{TOOLFORGE}/deployment/{{deploy_id}}/cancel", put_cancel),
)
