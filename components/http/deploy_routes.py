"""The routes of a tool's deployments."""

from http import HTTPStatus

from aiohttp import web

from components.engine.context import Answer
from components.engine.deployments import (
    create_deployment,
    list_deployments,
    show_deployment,
)
from components.engine.model import Deployment
from components.http.documentation import DeploymentPath, ToolPath, operation
from components.http.envelope import wrapped
from components.http.keys import ENGINE
from components.http.schemas import (
    DeploymentResponseSchema,
    DeploymentSchema,
    DeploymentsResponseSchema,
    DeploymentsSchema,
)

_DEPLOYMENT = DeploymentSchema()
_DEPLOYMENTS = DeploymentsSchema()


def _answered(
    answer: Answer[Deployment], status: HTTPStatus = HTTPStatus.OK, **headers: str
) -> web.Response:
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
)
async def get_deployment(request: web.Request) -> web.Response:
    """Answer one deployment as it is now."""
    path = request.match_info
    return _answered(
        await show_deployment(request.app[ENGINE], path["toolname"], path["deploy_id"])
    )


ROUTES = (
    web.post("/api/v1/tool/{toolname}/deploy", post_deploy),
    web.get("/api/v1/tool/{toolname}/deploy", get_deployments),
    web.get("/api/v1/tool/{toolname}/deploy/{deploy_id}", get_deployment, name="deployment"),
)
