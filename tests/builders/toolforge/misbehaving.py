"""What goes wrong with a service and on the way to it, as a test or a die says."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp import web

OWN_PATHS = ("/started", "/state", "/away", "/mend")
"""Of the stand-in itself, where nothing goes wrong."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Html:
    """What a gateway answers by itself."""

    status: int


Fault = int | str | Html


class Misbehaving:
    """Faults, done in turn, one for each request that can have one; then those of `fault`.

    A fault is a status to answer instead; `Html` for the same from a gateway; `before` or `after`
    for cutting the connection before or after the request was carried out, `late` for cutting it
    and carrying it out once `lateness` is over; or `never` for not answering.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.fault: Callable[[], Fault | None] = lambda: None
        self.retry_after: str | None = None
        self.latency: Callable[[], float] = lambda: 0
        self.away_until = 0.0
        self.lateness: Callable[[], Awaitable[object]] = at_once
        self._carrying_out: set[asyncio.Task[web.StreamResponse]] = set()

    @web.middleware
    async def misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Do the next fault, where the request can have one."""
        self.requests.append((request.method, request.path))
        if request.path.startswith(OWN_PATHS):
            return await handler(request)
        tool = request.match_info.get("toolname")
        if tool is not None and request.headers.get("X-Toolforge-Tool") != tool:
            return refusal(401, "this is not your tool")
        if (left := self.away_until - asyncio.get_running_loop().time()) > 0:
            # Nothing is carried out, however long anybody waits.
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
            self.carry_out(self._late(request, handler))
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

    def carry_out(
        self, work: Coroutine[Any, Any, web.StreamResponse]
    ) -> asyncio.Task[web.StreamResponse]:
        """Do what goes on after its client has gone."""
        task = asyncio.create_task(work)
        self._carrying_out.add(task)
        task.add_done_callback(self._carrying_out.discard)
        return task

    async def carried_out(self) -> None:
        """Return once nothing is under way any more for clients that have gone."""
        await asyncio.gather(*self._carrying_out)


async def at_once(*_: object) -> None:
    """Wait for nothing."""


def _cut(request: web.Request) -> None:
    if request.transport:
        request.transport.abort()


def refusal(status: int, words: str) -> web.Response:
    """Return what the service itself answers where it does not do what was asked."""
    return web.json_response({"error": [words]}, status=status)
