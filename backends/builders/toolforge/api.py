"""The builds service's HTTP interface: one call, one answer, and errors as `errors` has them.

Connections are kept apart by what they are for, so that neither many who read logs nor starts that
take long are in the way of anything else.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from backends.builders.toolforge.errors import (
    ApiError,
    NotDone,
    Unanswered,
    error_of,
    object_of,
    translated,
)
from backends.builders.toolforge.files import ClientFiles, RenewedContext

CALL_SECONDS = 5.0
"""How long one attempt of a call may take, and how long a connection may."""

MAX_CONNECTIONS = 100
"""How many starts are under way at once, and how many other calls."""

MAX_LOGS = 200
MAX_LOGS_OF_TOOL = 20
"""How many logs are read at once: in all, and of one tool."""

MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024
QUIET_SECONDS = 1800.0
"""How long a log that is followed may say nothing: as long as a build may take."""


class BuildsApi:
    """The service at `url`. `open` comes first, `close` last.

    `start_seconds` is how long an answer to a start is waited for.
    """

    def __init__(self, url: URL, files: ClientFiles, start_seconds: float) -> None:
        self.url = url
        self._context = RenewedContext(files)
        self._start_seconds = start_seconds
        self._pools: _Pools | None = None
        self._readers: Counter[str] = Counter()

    async def open(self) -> None:
        """Read the files, and make ready. Raises `OSError` and `ValueError` for a bad file."""
        self._context.open()
        self._pools = _Pools()

    async def close(self) -> None:
        """Let go of all connections."""
        if self._pools is not None:
            await self._pools.close()

    async def call(self, method: str, tool: str, *path: str) -> dict[str, Any]:
        """Return the object that the service answers to one request of a tool. Raises `ApiError`.

        Without a tool, the path is one of the service's own.
        """
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        return await self._answer(self._opened.calls, method, tool, *path, timeout=timeout)

    async def start(self, tool: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return what the service answers to a start. Raises `ApiError`."""
        timeout = aiohttp.ClientTimeout(total=self._start_seconds, connect=CALL_SECONDS)
        pool = self._opened.starts
        return await self._answer(pool, "POST", tool, "builds", json=parameters, timeout=timeout)

    async def lines(
        self, tool: str, *path: str, follow: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the objects that the service sends, one a line, as they come. Raises `ApiError`.

        The connection is given up as soon as this is closed.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=CALL_SECONDS, sock_read=QUIET_SECONDS)
        options: Any = {"params": {"follow": "true" if follow else "false"}, "timeout": timeout}
        with self._reader(tool), translated():
            async with self._request(self._opened.logs, "GET", tool, *path, **options) as response:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    async with asyncio.timeout(CALL_SECONDS):
                        raise _error(response, await _whole(response.content))
                if response.content_type == "text/html":
                    raise Unanswered("what answers is not the builds service")
                async with aclosing(_split(response.content)) as lines:
                    async for line in lines:
                        if line.strip():
                            yield object_of(line) or {"line": line.decode("utf-8", "replace")}

    @contextmanager
    def _reader(self, tool: str) -> Iterator[None]:
        """Count who reads a log; too many are turned away, and hold up nobody."""
        if self._readers[tool] >= MAX_LOGS_OF_TOOL:
            raise NotDone(f"{MAX_LOGS_OF_TOOL} logs of this tool are being read already")
        if self._readers.total() >= MAX_LOGS:
            raise NotDone(f"{MAX_LOGS} logs are being read already")
        self._readers[tool] += 1
        try:
            yield
        finally:
            self._readers[tool] -= 1
            self._readers += Counter()  # drops those of whom there are none

    async def _answer(
        self, pool: aiohttp.ClientSession, method: str, tool: str, *path: str, **options: Any
    ) -> dict[str, Any]:
        with translated():
            async with self._request(pool, method, tool, *path, **options) as response:
                content = await _whole(response.content)
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise _error(response, content)
        answer = object_of(content)
        if answer is None:
            raise Unanswered("what answers is not the builds service")
        return answer

    @property
    def _opened(self) -> "_Pools":
        if self._pools is None:
            raise RuntimeError("the connection has not been opened")
        return self._pools

    def _request(
        self, pool: aiohttp.ClientSession, method: str, tool: str, *path: str, **options: Any
    ) -> Any:
        parts = ("v1", "tool", tool, *path) if tool else ("v1", *path)
        return pool.request(
            method,
            self.url.joinpath(
                *(quote(each, safe="", errors="replace") for each in parts), encoded=True
            ),
            headers={"X-Toolforge-Tool": tool} if tool else {},
            ssl=self._context.now(),
            # A redirect would take the request, or the certificate, to somebody else.
            allow_redirects=False,
            **options,
        )


@dataclass(slots=True)
class _Pools:
    """The connections, by what they are for."""

    # A start whose kept connection the other side has just given up would be in doubt for nothing.
    starts: aiohttp.ClientSession = field(
        default_factory=lambda: _session(limit=MAX_CONNECTIONS, force_close=True)
    )
    calls: aiohttp.ClientSession = field(default_factory=lambda: _session(limit=MAX_CONNECTIONS))
    logs: aiohttp.ClientSession = field(default_factory=lambda: _session(limit=MAX_LOGS))

    async def close(self) -> None:
        await asyncio.gather(self.starts.close(), self.calls.close(), self.logs.close())


def _session(**options: Any) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(**options),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )
    # aiohttp would by itself repeat a PUT or DELETE whose connection was cut: it has no public
    # switch for it.
    session._retry_connection = False
    return session


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """Return an answer; one that is too long is cut, and then says nothing."""
    parts, left = [], MAX_ANSWER_BYTES
    while left > 0 and not content.at_eof():
        parts.append(await content.read(left))
        left -= len(parts[-1])
    return b"".join(parts)


async def _split(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """Yield lines; one that is too long comes in pieces."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > MAX_LINE_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest


def _error(response: aiohttp.ClientResponse, content: bytes) -> ApiError:
    retry_after = response.headers.get("Retry-After", "")
    return error_of(response.status, retry_after, object_of(content))
