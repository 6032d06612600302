"""Between the store and a real API server: cuts connections, answers for it, loses its answers."""

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
    """Forwards requests; the first of `faults`, if there is one, happens to the next request."""

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
    """Close the connection before the server has seen the request."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def lose_answer(proxy: Proxy, request: web.Request) -> web.Response:
    """Let the server carry the request out, and close the connection before its answer."""
    await proxy.forward(request)
    return await cut(proxy, request)


def answer(status: int, retry_after: int | None = None, **body: Any) -> Fault:
    """Answer in the server's place, and in its form."""

    async def fault(proxy: Proxy, request: web.Request) -> web.Response:
        headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
        content = {"apiVersion": "v1", "kind": "Status", **body}
        return web.json_response(content, status=status, headers=headers)

    return fault


def html(status: int) -> Fault:
    """Answer as something else would that stands before the server."""

    async def fault(proxy: Proxy, request: web.Request) -> web.Response:
        text = "<html><h1>the gateway is being restarted</h1></html>"
        return web.Response(text=text, status=status, content_type="text/html")

    return fault
