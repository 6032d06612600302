"""The HTTP API of a service: one request, one response, and the errors of `errors`.

Each purpose has its own connection pool, so that neither log readers nor slow starts block other
calls.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

import aiohttp
from environs import EnvError

from backends.toolforge.errors import (
    ApiError,
    NoResponse,
    NotExecuted,
    error_of,
    http_errors,
    json_object,
)
from backends.toolforge.files import RenewedContext
from backends.toolforge.settings import Gateway

CALL_SECONDS = 5.0
"""The timeout of one attempt of a call, and of connecting."""

MAX_STARTS = 200
MAX_STARTS_OF_TOOL = 50
"""The limits of concurrent starts: in total, and for one tool. A start takes as long as a git host
may, and the others of its tool must not hold up those of other tools."""

MAX_CALLS = 100
"""The limit of other concurrent calls."""

MAX_LOGS = 200
MAX_LOGS_OF_TOOL = 20
"""The limits of logs read concurrently: in total, and for one tool."""

MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024
IDLE_SECONDS = 1800.0
"""How long a followed log may be silent: as long as a build may take."""


class ServiceApi:
    """The service behind `gateway`, by its `name` in messages. Call `open` first, `close` last.

    `start_seconds` is the timeout of a start.
    """

    def __init__(self, name: str, gateway: Gateway, start_seconds: float) -> None:
        self.name = name
        self._gateway = gateway
        self._context = RenewedContext(gateway.files)
        self._start_seconds = start_seconds
        self._pools: _Pools | None = None
        self._readers: Counter[str] = Counter()
        self._starts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def open(self) -> None:
        """Read the files and create the pools. Raises `EnvError` for a bad setting or file."""
        self._gateway.check()
        try:
            self._context.open()
        except (OSError, ValueError) as error:
            named = getattr(error, "filename", None) or "COMPONENTS_TOOLFORGE_CERT, _KEY or _CA"
            reason = getattr(error, "strerror", None) or error
            raise EnvError(f"{named} cannot be used: {reason}") from None
        self._pools = _Pools()

    async def close(self) -> None:
        """Close all connections."""
        if self._pools is not None:
            await self._pools.close()

    async def call(
        self, method: str, tool: str, *path: str, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the JSON object of the response to one request of a tool. Raises `ApiError`.

        Without a tool, the path is one of the service's own.
        """
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        pool = self._open_pools.calls
        return await self._call(pool, method, tool, *path, params=params, timeout=timeout)

    async def start(
        self, method: str, tool: str, *path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the JSON object of the response to a start. Raises `ApiError`."""
        timeout = aiohttp.ClientTimeout(total=self._start_seconds, connect=CALL_SECONDS)
        pool = self._open_pools.starts
        async with self._turn(tool):
            return await self._call(pool, method, tool, *path, json=body, timeout=timeout)

    async def lines(self, tool: str, *path: str, follow: bool) -> AsyncGenerator[bytes, None]:
        """Stream the lines that the service sends, without empty ones. Raises `ApiError`.

        The connection is closed as soon as the generator is.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=CALL_SECONDS, sock_read=IDLE_SECONDS)
        options: Any = {"params": {"follow": "true" if follow else "false"}, "timeout": timeout}
        with self._reader(tool), http_errors(self.name):
            async with self._request(
                self._open_pools.logs, "GET", tool, *path, **options
            ) as response:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    async with asyncio.timeout(CALL_SECONDS):
                        raise self._error(response, await _read_body(response.content))
                if response.content_type == "text/html":
                    raise NoResponse(f"the response is not from {self.name}")
                async with aclosing(_split_lines(response.content)) as lines:
                    async for line in lines:
                        if line.strip():
                            yield line

    @asynccontextmanager
    async def _turn(self, tool: str) -> AsyncIterator[None]:
        """Wait until fewer starts of a tool are in progress, as long as for a connection."""
        turns = self._starts.setdefault(tool, asyncio.Semaphore(MAX_STARTS_OF_TOOL))
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await turns.acquire()
        except TimeoutError:
            words = f"{MAX_STARTS_OF_TOOL} starts of this tool are already in progress"
            raise NotExecuted(words) from None
        try:
            yield
        finally:
            turns.release()

    @contextmanager
    def _reader(self, tool: str) -> Iterator[None]:
        """Count the readers of logs; reject one too many at once."""
        if self._readers[tool] >= MAX_LOGS_OF_TOOL:
            raise NotExecuted(f"{MAX_LOGS_OF_TOOL} logs of this tool are already being read")
        if self._readers.total() >= MAX_LOGS:
            raise NotExecuted(f"{MAX_LOGS} logs are already being read")
        self._readers[tool] += 1
        try:
            yield
        finally:
            self._readers[tool] -= 1
            self._readers += Counter()  # removes the zero counts

    async def _call(
        self, pool: aiohttp.ClientSession, method: str, tool: str, *path: str, **options: Any
    ) -> dict[str, Any]:
        with http_errors(self.name):
            async with self._request(pool, method, tool, *path, **options) as response:
                content = await _read_body(response.content)
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise self._error(response, content)
        answer = json_object(content)
        if answer is None:
            raise NoResponse(f"the response is not from {self.name}")
        return answer

    def _error(self, response: aiohttp.ClientResponse, content: bytes) -> ApiError:
        retry_after = response.headers.get("Retry-After", "")
        return error_of(self.name, response.status, retry_after, json_object(content))

    @property
    def _open_pools(self) -> "_Pools":
        if self._pools is None:
            raise RuntimeError("the connection has not been opened")
        return self._pools

    def _request(
        self, pool: aiohttp.ClientSession, method: str, tool: str, *path: str, **options: Any
    ) -> Any:
        parts = ("v1", "tool", tool, *path) if tool else ("v1", *path)
        return pool.request(
            method,
            self._gateway.url.joinpath(
                *(quote(each, safe="", errors="replace") for each in parts), encoded=True
            ),
            headers={"X-Toolforge-Tool": tool} if tool else {},
            ssl=self._context.now(),
            # A redirect would send the request, or the certificate, to another host.
            allow_redirects=False,
            **options,
        )


@dataclass(slots=True)
class _Pools:
    """The connection pools, by purpose."""

    # A start on an idle connection that the server closes would have an unknown outcome.
    starts: aiohttp.ClientSession = field(
        default_factory=lambda: _session(limit=MAX_STARTS, force_close=True)
    )
    calls: aiohttp.ClientSession = field(default_factory=lambda: _session(limit=MAX_CALLS))
    logs: aiohttp.ClientSession = field(default_factory=lambda: _session(limit=MAX_LOGS))

    async def close(self) -> None:
        await asyncio.gather(self.starts.close(), self.calls.close(), self.logs.close())


def _session(**options: Any) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(**options),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )
    # aiohttp would itself repeat a PUT or DELETE on a cut connection; it has no public option.
    session._retry_connection = False
    return session


async def _read_body(content: aiohttp.StreamReader) -> bytes:
    """Return the body of a response, cut at the limit: it is then not valid JSON."""
    parts, left = [], MAX_ANSWER_BYTES
    while left > 0 and not content.at_eof():
        parts.append(await content.read(left))
        left -= len(parts[-1])
    return b"".join(parts)


async def _split_lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """Yield lines; a line beyond the limit comes in pieces."""
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
