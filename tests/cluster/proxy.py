"""A proxy before a real API server that cuts connections, and replaces or loses responses."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

Fault = Callable[["Proxy", web.Request], Any]
_PASSED_ON = ("Authorization", "Content-Type", "Accept")


@dataclass
class Proxy:
    """Forwards requests; the first of `faults`, if any, is applied to the next request."""

    target: str
    faults: list[Fault | None] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.path_qs))
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            answer: web.StreamResponse = await fault(self, request)
            return answer
        return await self.forward(request)

    async def forward(self, request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        context = ssl._create_unverified_context()
        url = f"{self.target}{request.path_qs}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, url, data=await request.read(), headers=headers, ssl=context
            ) as answer,
        ):
            kept = {"Content-Type": answer.content_type, "Date": answer.headers["Date"]}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)


async def cut(proxy: Proxy, request: web.Request) -> web.Response:
    """Close the connection before the server gets the request."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def lose_response(proxy: Proxy, request: web.Request) -> web.Response:
    """Let the server execute the request, and close the connection before its response."""
    await proxy.forward(request)
    return await cut(proxy, request)


def answer(status: int, retry_after: int | None = None, **body: Any) -> Fault:
    """Respond instead of the server, in its format."""

    async def fault(proxy: Proxy, request: web.Request) -> web.Response:
        headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
        content = {"apiVersion": "v1", "kind": "Status", **body}
        return web.json_response(content, status=status, headers=headers)

    return fault


def html(status: int) -> Fault:
    """Respond like a proxy before the server."""

    async def fault(proxy: Proxy, request: web.Request) -> web.Response:
        text = "<html><h1>the gateway is being restarted</h1></html>"
        return web.Response(text=text, status=status, content_type="text/html")

    return fault
