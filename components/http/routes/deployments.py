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
from components.http.keys import DEADLINE, ENGINE, REFRESHER, SETTINGS, STOPPING
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
    FOR_EVER,
    all_written,
    created_response,
    deployment_response,
    etag,
)
from components.http.responses.envelope import envelope, enveloped, response
from components.http.responses.schemas import (
    DeploymentResponseSchema,
    DeploymentsResponseSchema,
    PreviewResponseSchema,
    PreviewSchema,
)
from components.http.routes.presence import is_there

_PREVIEW = PreviewSchema()

MAX_WAIT_SECONDS = 60.0


class WaitQuery(Schema):
    """Whether to wait for a change."""

    wait = Seconds(
        maximum=MAX_WAIT_SECONDS,
        load_default=0.0,
        metadata={
            "description": "For how many seconds to hold the answer until the deployment changes "
            "or is final. With `If-None-Match`, until it is another than that one."
        },
    )


@operation(
    "createDeployment",
    "Deploy the stored configuration: launch all its builds at once",
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
@response_schema(PreviewResponseSchema, HTTPStatus.OK, description="What `dry-run` asked for.")
async def post_deploy(request: web.Request) -> web.Response:
    """Create a deployment and answer it, with its location; or what it would be."""
    tool, engine = request.match_info["toolname"], request.app[ENGINE]
    asked = await read_deploy_request(request, DeploySchema)
    if not asked.dry_run:
        answer = await create_deployment(engine, tool, asked.options, key_of(request))
        return created_response(request, asked.with_warnings(answer))
    preview = asked.with_warnings(await preview_deployment(engine, tool, asked.options))
    data = _PREVIEW.dump(preview.value)
    return enveloped(data, info=preview.info, warnings=preview.warnings)


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
    return response(envelope(await all_written(answer.value), warnings=answer.warnings))


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
    seconds = request["querystring"]["wait"]
    engine, refresher, tool, deploy_id = _which(request)
    answer = await show_deployment(engine, refresher, tool, deploy_id)
    if seconds:
        loop, patience = asyncio.get_running_loop(), request.app[SETTINGS].request_timeout
        request[DEADLINE].reschedule(loop.time() + seconds + patience)
        if is_known(request, answer.value.etag) or not request.if_none_match:
            # `latest` is the same one to the end.
            show = partial(show_deployment, engine, refresher, tool, answer.value.id)
            answer = await wait_for_change(
                show, answer.value.etag, seconds, request.app[STOPPING], lambda: is_there(request)
            )
    if is_known(request, answer.value.etag):
        found = not_modified(etag(answer.value))
    else:
        found = deployment_response(answer)
    if answer.value.is_settled and deploy_id != LATEST:
        found.headers["Cache-Control"] = FOR_EVER
    return found


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
    return deployment_response(await cancel_deployment(*_which(request)))


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
    loop, patience = asyncio.get_running_loop(), request.app[SETTINGS].request_timeout
    # Beside its own time: who watches it is told of its end before.
    request[DEADLINE].reschedule(loop.time() + MIN_VISIBLE_SECONDS + patience)
    return deployment_response(await delete_deployment(*_which(request)))


def _which(request: web.Request) -> tuple[Engine, Refresher, str, str]:
    """Return what an operation on one deployment takes: whose it is, and which."""
    path = request.match_info
    return request.app[ENGINE], request.app[REFRESHER], path["toolname"], path["deploy_id"]


ROUTES = (
    web.post("/api/v1/tool/{toolname}/deploy", post_deploy),
    web.get("/api/v1/tool/{toolname}/deploy", get_deployments),
    web.get("/api/v1/tool/{toolname}/deploy/{deploy_id}", get_deployment, name="deployment"),
    web.delete("/api/v1/tool/{toolname}/deploy/{deploy_id}", delete_route),
    web.put("/api/v1/tool/{toolname}/deploy/{deploy_id}/cancel", put_cancel),
)
