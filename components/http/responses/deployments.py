"""Deployments as responses. The JSON of each is cached, for all routes and clients."""

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

IMMUTABLE = "private, max-age=31536000, immutable"
"""A final deployment never changes, and only its tool may read it."""

_DEPLOYMENT = DeploymentSchema()
_JSON_CACHE: BoundedCache[tuple[str, str, str], str] = BoundedCache(
    max_entries=10_000, max_bytes=8 * 1024 * 1024
)


def deployment_json(deployment: Deployment) -> str:
    """Return a deployment as JSON."""
    key = (deployment.tool, deployment.id, deployment.etag)
    text = _JSON_CACHE.get(key)
    if text is None:
        text = json.dumps(_DEPLOYMENT.dump(deployment))
        _JSON_CACHE.put(key, text, len(text))
    return text


async def deployments_json(deployments: Iterable[Deployment]) -> str:
    """Return deployments as JSON of `DeploymentsSchema`; the loop serves others in between."""
    texts = []
    for each in deployments:
        texts.append(deployment_json(each))
        await asyncio.sleep(0)
    return f'{{"deployments": [{", ".join(texts)}]}}'


def deployment_envelope(answer: Answer[Deployment]) -> str:
    """Return a deployment and its messages in the envelope."""
    return envelope(
        deployment_json(answer.value),
        info=answer.info,
        warnings=answer.warnings,
        errors=answer.errors,
    )


def deployment_response(
    answer: Answer[Deployment], status: HTTPStatus = HTTPStatus.OK, **headers: str
) -> web.Response:
    """Return a deployment as a response, with its `ETag`."""
    found = response(deployment_envelope(answer), status, headers)
    found.etag = etag(answer.value)
    return found


def created_response(request: web.Request, answer: Answer[Deployment]) -> web.Response:
    """Return a new deployment as a response, with its `Location`."""
    path = {"toolname": answer.value.tool, "deploy_id": answer.value.id}
    location = request.app.router["deployment"].url_for(**path)
    return deployment_response(answer, HTTPStatus.CREATED, Location=str(location))


def etag(deployment: Deployment) -> ETag:
    """Return a deployment's entity tag: weak, since the messages in the envelope may differ."""
    return ETag(deployment.etag, is_weak=True)
