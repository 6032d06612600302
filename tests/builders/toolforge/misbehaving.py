"""Faults of a service and its network, scripted or random."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp import web

OWN_PATHS = ("/started", "/state", "/away", "/mend")
"""The server header of the fake service without faults."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Html:
    """A response of the gateway itself."""

    status: int


Fault = int | str | Html


class Misbehaving:
    """Faults, applied in turn, one per request that can have one; then those of `fault`.

    A fault is a status to respond with; `Html` for such a response from a gateway; `before` or
    `after` to cut the connection before or after the request was executed; `late` to cut it and
    execute the request after `lateness`; or `never` to not respond.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.fault: Callable[[], Fault | None] = lambda: None
        self.retry_after: str | None = None
        self.latency: Callable[[], float] = lambda: 0
        self.away_until = 0.0
        self.lateness: Callable[[], Awaitable[object]] = no_delay
        self._carrying_out: set[asyncio.Task[web.StreamResponse]] = set()

    @web.middleware
    async def misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Apply the next fault, if the request can have one."""
        self.requests.append((request.method, request.path))
        if request.path.startswith(OWN_PATHS):
            return await handler(request)
        named = request.match_info  # each service names its parameter in its own way
        tool = named.get("toolname", named.get("tool_name"))
        if tool is not None and request.headers.get("X-Toolforge-Tool") != tool:
            return refusal(401, "this is not your tool")
        if (left := self.away_until - asyncio.get_running_loop().time()) > 0:
            # The request is never executed.
            await asyncio.sleep(left)
            _cut(request)
            return refusal(500, "cut")
        fault = self.faults.pop(0) if self.faults else self.fault()
        if delay := self.latency():
            await asyncio.sleep(delay)
        if isinstance(fault, Html):
            page = "<html><title>It is not here</title></html>"
            return web.Response(status=fault.status, text=page, content_type="text/html")
        if isinstance(fault, int) and fault:
            injected = refusal(fault, "injected")
            if self.retry_after is not None:
                injected.headers["Retry-After"] = self.retry_after
            return injected
        if fault == "never":
            await asyncio.Event().wait()
        if fault == "late":
            await request.read()
            self.execute(self._late(request, handler))
        if fault in ("before", "late"):
            _cut(request)
        response: web.StreamResponse = refusal(500, "cut")
        if fault not in ("before", "late"):
            response = await handler(request)
        if fault == "after":
            _cut(request)
        return response

    async def _late(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await self.lateness()
        return await handler(request)

    def execute(
        self, work: Coroutine[Any, Any, web.StreamResponse]
    ) -> asyncio.Task[web.StreamResponse]:
        """Execute a request whose client has gone."""
        task = asyncio.create_task(work)
        self._carrying_out.add(task)
        task.add_done_callback(self._carrying_out.discard)
        return task

    async def all_executed(self) -> None:
        """Return once all requests of gone clients have been executed."""
        await asyncio.gather(*self._carrying_out)


async def no_delay(*_: object) -> None:
    """Do not wait."""


def _cut(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


def refusal(status: int, words: str) -> web.Response:
    """Return an error response of the service itself."""
    return web.json_response({"error": [words]}, status=status)
