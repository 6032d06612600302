"""A fake service that sends the responses of a test, over real HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from tests.factories import TOOL

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

TIME = "2024-04-04T12:00:00.000000Z"


def build(status: str = "RUNNING", **more: Any) -> dict[str, Any]:
    """Return a build as the service sends it."""
    final = status in ("FINISHED", "ERROR", "CANCELLED")
    return {
        "build-id": "build-1",
        "status": status,
        "message": "",
        "image": None,
        "digest": None,
        "commit": None,
        "start-time": TIME,
        "end-time": "2024-04-04T12:01:05.000000Z" if final else None,
        "reused-from": None,
        **more,
    }


def deployment(status: str = "RUNNING", **builds: Any) -> dict[str, Any]:
    """Return a deployment as the service sends it; each build by its component's name."""
    return {
        "deploy-id": f"{TOOL}-deploy-20240404120000-651234",
        "creation-time": TIME,
        "status": status,
        "message": "",
        "description": "",
        "builds": {name.replace("_", "-"): each for name, each in builds.items()},
    }


def answer(data: Any, status: int = 200, **messages: list[str]) -> web.Response:
    """Return a response in its envelope."""
    envelope = {"data": data, "messages": {"info": [], "warning": [], "error": [], **messages}}
    return web.json_response(envelope, status=status)


async def serve(server: AiohttpServer, handler: Handler) -> str:
    """Handle all requests with a handler; return the URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return str((await server(app)).make_url("/"))


def in_turn(*answers: web.Response | None) -> Handler:
    """Send the next response for each request, repeating the last. None drops the connection."""
    remaining = list(answers)

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if response is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return _copy(response)

    return handler


def silent(requested: asyncio.Event) -> Handler:
    """Never respond; set `requested` on a request."""

    async def handler(request: web.Request) -> web.StreamResponse:
        requested.set()
        await asyncio.Event().wait()
        raise AssertionError

    return handler


def _copy(response: web.Response) -> web.Response:
    """Copy a response that may have been sent already."""
    return web.Response(body=response.body, status=response.status, headers=response.headers)
