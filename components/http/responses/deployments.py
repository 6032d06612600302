"""A deployment as an answer, whichever route gives it; each is written once for all who ask."""

import asyncio
import json
from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import ETag, web

from components.engine.cache import BoundedCache
from components.engine.context import Answer
from components.engine.deployments.model import Deployment
from components.http.responses.envelope import envelope, response
from components.http.responses.schemas import DeploymentSchema

FOR_EVER = "private, max-age=31536000, immutable"
"""What is final never changes, and is the tool's own."""

_DEPLOYMENT = DeploymentSchema()
_WRITTEN: BoundedCache[tuple[str, str, str], str] = BoundedCache(
    max_entries=10_000, max_bytes=8 * 1024 * 1024
)


def written(deployment: Deployment) -> str:
    """Return a deployment as JSON."""
    key = (deployment.tool, deployment.id, deployment.etag)
    text = _WRITTEN.get(key)
    if text is None:
        text = json.dumps(_DEPLOYMENT.dump(deployment))
        _WRITTEN.put(key, text, len(text))
    return text


async def all_written(deployments: Iterable[Deployment]) -> str:
    """Return deployments as JSON, as `DeploymentsSchema` has them; others are served between."""
    texts = []
    for each in deployments:
        texts.append(written(each))
        await asyncio.sleep(0)
    return f'{{"deployments": [{", ".join(texts)}]}}'


def deployment_envelope(answer: Answer[Deployment]) -> str:
    """Return a deployment and its messages in the envelope."""
    return envelope(
        written(answer.value), info=answer.info, warnings=answer.warnings, errors=answer.errors
    )


def deployment_response(
    answer: Answer[Deployment], status: HTTPStatus = HTTPStatus.OK, **headers: str
) -> web.Response:
    """Return a deployment as a response, with its tag."""
    found = response(deployment_envelope(answer), status, headers)
    found.etag = etag(answer.value)
    return found


def created_response(request: web.Request, answer: Answer[Deployment]) -> web.Response:
    """Return a new deployment as a response, with its location."""
    path = {"toolname": answer.value.tool, "deploy_id": answer.value.id}
    location = request.app.router["deployment"].url_for(**path)
    return deployment_response(answer, HTTPStatus.CREATED, Location=str(location))


def etag(deployment: Deployment) -> ETag:
    """Return a deployment's tag; it is weak, since messages beside it may differ."""
    return ETag(deployment.etag, is_weak=True)
