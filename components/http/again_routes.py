"""The routes that make a deployment from an earlier one."""

from http import HTTPStatus

from aiohttp import web

from components.engine.creation import retry_deployment, roll_back
from components.http.deployment_answers import created
from components.http.documentation import DeploymentPath, operation
from components.http.keys import ENGINE
from components.http.schemas import DeploymentResponseSchema
from components.http.wishes import (
    KEY_PARAMETER,
    RepeatedDeploySchema,
    body_of,
    key_of,
    read_wish,
)

_ERRORS = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


@operation(
    "retryDeployment",
    "Deploy the same configuration and commits again, building only what did not finish",
    DeploymentResponseSchema,
    *_ERRORS,
    path=DeploymentPath,
    tags=["deployments"],
    status=HTTPStatus.CREATED,
    writes=True,
    requestBody=body_of("RepeatedDeploy"),
    parameters=[KEY_PARAMETER],
)
async def post_retry(request: web.Request) -> web.Response:
    """Retry a deployment and answer the new one, with its location."""
    wish, _ = await read_wish(request, RepeatedDeploySchema)
    path = request.match_info
    answer = await retry_deployment(
        request.app[ENGINE], path["toolname"], path["deploy_id"], wish, key_of(request)
    )
    return created(request, answer)


@operation(
    "rollBackToDeployment",
    "Deploy what an earlier, finished deployment has built; nothing is built",
    DeploymentResponseSchema,
    *_ERRORS,
    path=DeploymentPath,
    tags=["deployments"],
    status=HTTPStatus.CREATED,
    writes=True,
    requestBody=body_of("RepeatedDeploy"),
    parameters=[KEY_PARAMETER],
)
async def post_rollback(request: web.Request) -> web.Response:
    """Roll back to a deployment and answer the new one, with its location."""
    wish, _ = await read_wish(request, RepeatedDeploySchema)
    path = request.match_info
    answer = await roll_back(
        request.app[ENGINE], path["toolname"], path["deploy_id"], wish, key_of(request)
    )
    return created(request, answer)


ROUTES = (
    web.post("/api/v1/tool/{toolname}/deploy/{deploy_id}/retry", post_retry),
    web.post("/api/v1/tool/{toolname}/deploy/{deploy_id}/rollback", post_rollback),
)
