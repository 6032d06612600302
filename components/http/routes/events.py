"""The changes of a deployment as server-sent events, for a browser's EventSource.

An event is what the deployment is after a change, and its id is the tag of that: so any instance
can go on from any id, and changes that came at the same moment are one event.
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
from components.http.routes.presence import is_there

logger = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 15.0
"""How often a comment is sent while nothing happens; sooner where requests have little time."""

RETRY_MILLISECONDS = 2000
"""After how long a browser connects again."""

_PATIENCE_SECONDS = 15.0
"""How long one look for a change lasts; what is not found then is looked for again."""

_EVENTS: dict[int, Any] = {
    HTTPStatus.OK: {
        "description": "An event for each change: the deployment, in an envelope.",
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "data": {"type": "string", "description": "JSON, as other answers are."},
                        "retry": {"type": "integer"},
                    },
                    "required": ["id", "data"],
                }
            }
        },
    },
    HTTPStatus.NO_CONTENT: {
        "description": "The deployment is final, and `Last-Event-ID` names its last event."
    },
}


@operation(
    "watchDeployment",
    "The changes of a deployment as server-sent events, until it is final",
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
            "description": "The last event that the client has had: it goes on after that one.",
        }
    ],
)
async def get_events(request: web.Request) -> web.StreamResponse:
    """Stream the changes of a deployment; the first event is what it is now."""
    engine, refresher = request.app[ENGINE], request.app[REFRESHER]
    tool, deploy_id = request.match_info["toolname"], request.match_info["deploy_id"]
    answer = await show_deployment(engine, refresher, tool, deploy_id)
    known = request.headers.get("Last-Event-ID", "")
    if answer.value.status.is_final and known == answer.value.etag:
        # What makes an EventSource stop connecting again.
        return web.Response(status=HTTPStatus.NO_CONTENT)
    if not is_there(request):
        # Whoever asked did not wait for the first event; a stream begins with who reads it.
        return web.Response()
    # `latest` is the same one to the end.
    show = partial(show_deployment, engine, refresher, tool, answer.value.id)
    patience = request.app[SETTINGS].request_timeout
    request[DEADLINE].reschedule(None)
    async with sse_response(
        request,
        ping_interval=min(KEEP_ALIVE_SECONDS, patience / 2),
        send_timeout=patience,
    ) as response:
        stopping = request.app[STOPPING]
        try:
            while True:
                if answer.value.etag != known:
                    known = answer.value.etag
                    await _send(response, answer, known)
                gone = stopping.is_set() or not (response.is_connected() and is_there(request))
                if answer.value.status.is_final or gone:
                    break
                answer = await wait_for_change(
                    show, known, _PATIENCE_SECONDS, stopping, lambda: is_there(request)
                )
        except (EngineError, StoreError, TimeoutError, ConnectionError) as error:
            # The client connects again, and is then told what is wrong, if it still is.
            logger.warning("events of %s broke off: %s", deploy_id, str(error) or "no reader")
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
