"""A service that answers whatever a test wants, over real HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from tests.factories import TOOL

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

TIME = "2024-04-04T12:00:00.000000Z"


def build(status: str = "RUNNING", **more: Any) -> dict[str, Any]:
    """A build, as the service answers it."""
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
    """A deployment, as the service answers it; each build by its component's name."""
    return {
        "deploy-id": f"{TOOL}-deploy-20240404120000-651234",
        "creation-time": TIME,
        "status": status,
        "message": "",
        "description": "",
        "builds": {name.replace("_", "-"): each for name, each in builds.items()},
    }


def answer(data: Any, status: int = 200, **messages: list[str]) -> web.Response:
    """An answer in its envelope."""
    envelope = {"data": data, "messages": {"info": [], "warning": [], "error": [], **messages}}
    return web.json_response(envelope, status=status)


async def serve(server: AiohttpServer, handler: Handler) -> str:
    """Let a handler answer all requests; return where."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return str((await server(app)).make_url("/"))


def in_turn(*answers: web.Response | None) -> Handler:
    """Answer each request with the next of these; the last stays. None drops the connection."""
    left = list(answers)

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        found = left.pop(0) if len(left) > 1 else left[0]
        if found is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return _again(found)

    return handler


def silent(asked: asyncio.Event) -> Handler:
    """Never answer; say that somebody asks."""

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    return handler


def _again(response: web.Response) -> web.Response:
    """A response like one that may have been sent already."""
    return web.Response(body=response.body, status=response.status, headers=response.headers)
