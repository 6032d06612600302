"""A host of configurations, on loopback."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web


class SourceHost:
    """Serves `content` under every path, with the version `etag`, or responds with `status`.

    `before` is called once before the next response; `hanging` requests get none until its end.
    """

    def __init__(self) -> None:
        self.content = b""
        self.etag = ""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.hits = 0
        self.before: Callable[[], Awaitable[object]] | None = None
        self.url = ""
        self._hit = asyncio.Event()
        self._free = asyncio.Event()
        self._free.set()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._respond)
        return app

    def give(self, value: Any, etag: str = "") -> None:
        """Serve a value as JSON, from now on."""
        self.content, self.etag = json.dumps(value).encode(), etag

    @contextmanager
    def hanging(self) -> Iterator[asyncio.Event]:
        """Respond to nothing; give an event that is set once there is a request."""
        self._hit.clear()
        self._free.clear()
        try:
            yield self._hit
        finally:
            self._free.set()

    async def _respond(self, request: web.Request) -> web.Response:
        self.hits += 1
        self._hit.set()
        content, etag = self.content, self.etag
        if self.before:
            before, self.before = self.before, None
            await before()
        await self._free.wait()
        headers = {**self.headers, **({"ETag": f'"{etag}"'} if etag else {})}
        return web.Response(body=content, status=self.status, headers=headers)
