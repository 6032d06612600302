"""The routes that create a deployment from an earlier one."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from components.engine.context import Answer, Engine
from components.engine.creation.create import retry_deployment, roll_back
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.model import Deployment
from components.http.documentation.document import DeploymentPath, operation
from components.http.keys import ENGINE
from components.http.requests.deploy_requests import (
    KEY_PARAMETER,
    RepeatedDeploySchema,
    body_of,
    key_of,
    read_deploy_request,
)
from components.http.responses.deployments import created_response
from components.http.responses.schemas import DeploymentResponseSchema

Make: TypeAlias = Callable[
    [Engine, str, str, DeployRequest, str | None], Awaitable[Answer[Deployment]]
]

_ERRORS = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


@operation(
    "retryDeployment",
    "Deploy the same configuration and commits again; only unfinished builds are built",
    DeploymentResponseSchema,
    *_ERRORS,
    path=DeploymentPath,
    tags=["deployments"],
    status=HTTPStatus.CREATED,
    requestBody=body_of("RepeatedDeploy"),
    parameters=[KEY_PARAMETER],
)
async def post_retry(request: web.Request) -> web.Response:
    """Retry a deployment and return the new one, with its `Location`."""
    return await _create(request, retry_deployment)


@operation(
    "rollBackToDeployment",
    "Deploy the images of an earlier, finished deployment; nothing is built",
    DeploymentResponseSchema,
    *_ERRORS,
    path=DeploymentPath,
    tags=["deployments"],
    status=HTTPStatus.CREATED,
    requestBody=body_of("RepeatedDeploy"),
    parameters=[KEY_PARAMETER],
)
async def post_rollback(request: web.Request) -> web.Response:
    """Roll back to a deployment and return the new one, with its `Location`."""
    return await _create(request, roll_back)


async def _create(request: web.Request, make: Make) -> web.Response:
    deploy_body = await read_deploy_request(request, RepeatedDeploySchema)
    path = request.match_info
    answer = await make(
        request.app[ENGINE],
        path["toolname"],
        path["deploy_id"],
        deploy_body.options,
        key_of(request),
    )
    return created_response(request, deploy_body.with_warnings(answer))


ROUTES = (
    web.post("/api/v1/tool/{toolname}/deploy/{deploy_id}/retry", post_retry),
    web.post("/api/v1/tool/{toolname}/deploy/{deploy_id}/rollback", post_rollback),
)
