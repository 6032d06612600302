"""A deployment as an answer, whichever route gives it."""

from http import HTTPStatus

from aiohttp import ETag, web

from components.engine.context import Answer
from components.engine.model import Deployment
from components.engine.waiting import tag
from components.http.envelope import wrapped
from components.http.schemas import DeploymentSchema

DEPLOYMENT = DeploymentSchema()

FOR_EVER = "private, max-age=31536000, immutable"
"""What is final never changes, and is the tool's own."""


def answered(
    answer: Answer[Deployment], status: HTTPStatus = HTTPStatus.OK, **headers: str
) -> web.Response:
    """Return a deployment as a response, with its tag."""
    response = wrapped(
        DEPLOYMENT.dump(answer.value),
        info=answer.info,
        warnings=answer.warnings,
        errors=answer.errors,
        status=status,
        headers=headers,
    )
    response.etag = etag(answer.value)
    return response


def created(request: web.Request, answer: Answer[Deployment]) -> web.Response:
    """Return a new deployment as a response, with its location."""
    path = {"toolname": answer.value.tool, "deploy_id": answer.value.id}
    location = request.app.router["deployment"].url_for(**path)
    return answered(answer, HTTPStatus.CREATED, Location=str(location))


def etag(deployment: Deployment) -> ETag:
    """Return a deployment's tag; it is weak, since messages beside it may differ."""
    return ETag(tag(deployment), is_weak=True)
