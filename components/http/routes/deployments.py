"""The routes of a tool's deployments."""

import asyncio
from functools import partial
from http import HTTPStatus

from aiohttp import web
from aiohttp_apigami import querystring_schema, response_schema
from marshmallow import Schema

from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.creation.preview import preview_deployment
from components.engine.deployments.finding import LATEST
from components.engine.deployments.operations import (
    MIN_VISIBLE_SECONDS,
    cancel_deployment,
    delete_deployment,
    list_deployments,
    show_deployment,
)
from components.engine.loop.refreshing import Refresher
from components.engine.loop.waiting import wait_for_change
from components.http.documentation.document import DeploymentPath, ToolPath, operation
from components.http.keys import CALLER, DEADLINE, ENGINE, REFRESHER, SETTINGS, STOPPING
from components.http.requests.conditions import is_known, not_modified
from components.http.requests.deploy_requests import (
    KEY_PARAMETER,
    DeploySchema,
    body_of,
    key_of,
    read_deploy_request,
)
from components.http.requests.queries import Seconds
from components.http.responses.deployments import (
    IMMUTABLE,
    created_response,
    deployment_response,
    deployments_json,
    etag,
)
from components.http.responses.envelope import envelope, enveloped, response
from components.http.responses.schemas import (
    DeploymentResponseSchema,
    DeploymentsResponseSchema,
    PreviewResponseSchema,
    PreviewSchema,
)
from components.http.routes.presence import is_connected

_PREVIEW = PreviewSchema()

MAX_WAIT_SECONDS = 60.0


class WaitQuery(Schema):
    """Whether to wait for a change."""

    wait = Seconds(
        maximum=MAX_WAIT_SECONDS,
        load_default=0.0,
        metadata={
            "description": "How many seconds to wait until the deployment changes or is final. "
            "With `If-None-Match`, until its `ETag` differs."
        },
    )


@operation(
    "createDeployment",
    "Deploy the stored configuration: start all its builds in parallel",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    path=ToolPath,
    tags=["deployments"],
    status=HTTPStatus.CREATED,
    requestBody=body_of("Deploy"),
    parameters=[KEY_PARAMETER],
)
@response_schema(PreviewResponseSchema, HTTPStatus.OK, description="The result of a dry run.")
async def post_deploy(request: web.Request) -> web.Response:
    """Create a deployment and return it, with its `Location`; or return a preview."""
    tool, engine = request.match_info["toolname"], request.app[ENGINE]
    deploy_body = await read_deploy_request(request, DeploySchema)
    if not deploy_body.dry_run:
        answer = await create_deployment(engine, tool, deploy_body.options, key_of(request))
        return created_response(request, deploy_body.with_warnings(answer))
    preview = deploy_body.with_warnings(await preview_deployment(engine, tool, deploy_body.options))
    data = _PREVIEW.dump(preview.value)
    return enveloped(data, info=preview.info, warnings=preview.warnings)


@operation(
    "listDeployments",
    "List the retained deployments, newest first, as they are stored",
    DeploymentsResponseSchema,
    path=ToolPath,
    tags=["deployments"],
)
async def get_deployments(request: web.Request) -> web.Response:
    """Return all deployments of a tool."""
    answer = await list_deployments(request.app[ENGINE], request.match_info["toolname"])
    return response(envelope(await deployments_json(answer.value), warnings=answer.warnings))


@operation(
    "getDeployment",
    "Return a deployment, updated with the state of its builds unless it is final",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    path=DeploymentPath,
    tags=["deployments"],
    responses={
        HTTPStatus.NOT_MODIFIED: {
            "description": "The client has the current version, by `If-None-Match`."
        }
    },
)
@querystring_schema(WaitQuery)
async def get_deployment(request: web.Request) -> web.StreamResponse:
    """Return one deployment: as it is now, or, with `wait`, once it has changed."""
    seconds = request["querystring"]["wait"]
    engine, refresher, tool, deploy_id = _arguments(request)
    answer = await show_deployment(engine, refresher, tool, deploy_id)
    if seconds:
        loop, timeout = asyncio.get_running_loop(), request.app[SETTINGS].request_timeout
        request[DEADLINE].reschedule(loop.time() + seconds + timeout)
        if is_known(request, answer.value.etag) or not request.if_none_match:
            # `latest` is resolved once.
            show = partial(show_deployment, engine, refresher, tool, answer.value.id)
            answer = await wait_for_change(
                show,
                answer.value.etag,
                seconds,
                request.app[STOPPING],
                lambda: is_connected(request),
            )
    if is_known(request, answer.value.etag):
        found = not_modified(etag(answer.value))
    else:
        found = deployment_response(answer)
    if answer.value.is_settled and deploy_id != LATEST:
        found.headers["Cache-Control"] = IMMUTABLE
    return found


@operation(
    "cancelDeployment",
    "Cancel a deployment: waiting builds never start, running builds are cancelled",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    path=DeploymentPath,
    tags=["deployments"],
)
async def put_cancel(request: web.Request) -> web.Response:
    """Cancel a deployment and return it."""
    permitted = request[CALLER].components
    return deployment_response(await cancel_deployment(*_arguments(request), permitted))


@operation(
    "deleteDeployment",
    "Delete a final deployment and return it",
    DeploymentResponseSchema,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    path=DeploymentPath,
    tags=["deployments"],
)
async def delete_route(request: web.Request) -> web.Response:
    """Delete a deployment and return it."""
    loop, timeout = asyncio.get_running_loop(), request.app[SETTINGS].request_timeout
    # Added to the timeout: clients that watch the deployment must see its end first.
    request[DEADLINE].reschedule(loop.time() + MIN_VISIBLE_SECONDS + timeout)
    return deployment_response(await delete_deployment(*_arguments(request)))


def _arguments(request: web.Request) -> tuple[Engine, Refresher, str, str]:
    """Return the arguments of an operation on one deployment."""
    path = request.match_info
    return request.app[ENGINE], request.app[REFRESHER], path["toolname"], path["deploy_id"]


ROUTES = (
    web.post("/api/v1/tool/{toolname}/deploy", post_deploy),
    web.get("/api/v1/tool/{toolname}/deploy", get_deployments),
    web.get("/api/v1/tool/{toolname}/deploy/{deploy_id}", get_deployment, name="deployment"),
    web.delete("/api/v1/tool/{toolname}/deploy/{deploy_id}", delete_route),
    web.put("/api/v1/tool/{toolname}/deploy/{deploy_id}/cancel", put_cancel),
)
