"""The changes of a deployment as server-sent events, for a browser's EventSource.

An event has the deployment after a change, and its id is the entity tag of that state. So any
instance can continue from any id, and simultaneous changes are one event.
"""

import logging
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from backends.stores.base import StoreError
from components.engine.context import Answer
from components.engine.deployments.model import Deployment
from components.engine.deployments.operations import show_deployment
from components.engine.errors import EngineError
from components.engine.loop.waiting import wait_for_change
from components.http.documentation.document import DeploymentPath, operation
from components.http.keys import DEADLINE, ENGINE, REFRESHER, SETTINGS, STOPPING
from components.http.responses.deployments import deployment_envelope
from components.http.routes.presence import is_connected

logger = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 15.0
"""How often a comment is sent while nothing changes; more often with a short request timeout."""

RETRY_MILLISECONDS = 2000
"""After how long a browser reconnects."""

_WAIT_SECONDS = 15.0
"""How long one wait for a change lasts; it is repeated until the stream ends."""

_EVENTS: dict[int, Any] = {
    HTTPStatus.OK: {
        "description": "An event for each change, with the deployment in an envelope.",
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "data": {
                            "type": "string",
                            "description": "The deployment in an envelope, as JSON.",
                        },
                        "retry": {"type": "integer"},
                    },
                    "required": ["id", "data"],
                }
            }
        },
    },
    HTTPStatus.NO_CONTENT: {
        "description": "The deployment is final, and `Last-Event-ID` is its last event."
    },
}


@operation(
    "watchDeployment",
    "Stream the changes of a deployment as server-sent events, until it is final",
    None,
    HTTPStatus.NOT_FOUND,
    path=DeploymentPath,
    tags=["deployments"],
    responses=_EVENTS,
    parameters=[
        {
            "in": "header",
            "name": "Last-Event-ID",
            "required": False,
            "schema": {"type": "string"},
            "description": "The last event the client received; the stream continues after it.",
        }
    ],
)
async def get_events(request: web.Request) -> web.StreamResponse:
    """Stream the changes of a deployment; the first event has the current state."""
    engine, refresher = request.app[ENGINE], request.app[REFRESHER]
    tool, deploy_id = request.match_info["toolname"], request.match_info["deploy_id"]
    answer = await show_deployment(engine, refresher, tool, deploy_id)
    known = request.headers.get("Last-Event-ID", "")
    if answer.value.status.is_final and known == answer.value.etag:
        # This makes an EventSource stop reconnecting.
        return web.Response(status=HTTPStatus.NO_CONTENT)
    if not is_connected(request):
        # The client has disconnected already, and a stream cannot begin without one.
        return web.Response()
    # `latest` is resolved once.
    show = partial(show_deployment, engine, refresher, tool, answer.value.id)
    timeout = request.app[SETTINGS].request_timeout
    request[DEADLINE].reschedule(None)
    async with sse_response(
        request,
        ping_interval=min(KEEP_ALIVE_SECONDS, timeout / 2),
        send_timeout=timeout,
    ) as response:
        stopping = request.app[STOPPING]
        try:
            while True:
                if answer.value.etag != known:
                    known = answer.value.etag
                    await _send(response, answer, known)
                is_over = stopping.is_set() or not (
                    response.is_connected() and is_connected(request)
                )
                if answer.value.status.is_final or is_over:
                    break
                answer = await wait_for_change(
                    show, known, _WAIT_SECONDS, stopping, lambda: is_connected(request)
                )
        except (EngineError, StoreError, TimeoutError, ConnectionError) as error:
            # The client reconnects, and then gets the error if it persists.
            logger.warning(
                "the event stream of %s was interrupted: %s", deploy_id, str(error) or "no client"
            )
    return response


async def _send(response: EventSourceResponse, answer: Answer[Deployment], known: str) -> None:
    await response.send(deployment_envelope(answer), id=known, retry=RETRY_MILLISECONDS)


ROUTES = (
    web.get(
        "/api/v1/tool/{toolname}/deploy/{deploy_id}/events",
        get_events,
        allow_head=False,
    ),
)
