"""The builds service's HTTP interface: one call, one answer, and errors in words.

ApiError
├── Refused            400: the service will not do it; in its own words
├── Missing            404: there is no such thing
├── Busy               409: not now, in its own words
├── Denied             401, 403: the service does not take this client's certificate
└── Unanswered         no connection, no answer in time, 429, 5xx, or none as the interface says
"""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from backends.retries import MayPass

logger = logging.getLogger(__name__)

CALL_SECONDS = 5.0
"""How long one attempt of a call may take."""

MAX_CONNECTIONS = 20
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024
QUIET_SECONDS = 1800.0
"""How long a log that is followed may say nothing: as long as a build may take."""


class ApiError(Exception):
    """The root of what a call raises; the message is for people."""


class Refused(ApiError):
    """The service will never do this."""


class Missing(ApiError):
    """There is no such build, or no such tool."""


class Busy(ApiError):
    """The state of things is against it now."""


class Denied(ApiError):
    """The service, or the gateway before it, does not know this client."""


class Unanswered(ApiError, MayPass):
    """There was no answer, or none that says anything; the call may have been carried out."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: Refused,
    401: Denied,
    403: Denied,
    404: Missing,
    409: Busy,
    422: Refused,
}


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """The files of the client's certificate, its key, and the service's authority; or none."""

    certificate: str = ""
    key: str = ""
    authority: str = ""

    def contents(self) -> tuple[bytes, ...]:
        """Return what is in them; times are too coarse to tell that. Raises `OSError`."""
        named = filter(None, (self.certificate, self.key, self.authority))
        return tuple(Path(each).read_bytes() for each in named)

    def context(self) -> ssl.SSLContext:
        """Return a context with them. Raises `OSError` (`ssl.SSLError` is one)."""
        context = ssl.create_default_context(cafile=self.authority or None)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key or None)
        return context


@dataclass(slots=True)
class BuildsApi:
    """The service at `url`. `open` comes first, `close` last."""

    url: URL
    files: ClientFiles
    _session: aiohttp.ClientSession | None = None
    _context: ssl.SSLContext | None = None
    _contents: tuple[bytes, ...] = field(default=(), repr=False)

    async def open(self) -> None:
        """Read the files, and make the session. Raises `OSError` for a bad file."""
        self._contents = self.files.contents()
        self._context = self.files.context() if self.url.scheme == "https" else None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
            trust_env=False,
        )
        # aiohttp would by itself repeat a PUT or DELETE whose connection was cut: it has no public
        # switch for it.
        self._session._retry_connection = False

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, tool: str, *path: str, body: Any = None) -> dict[str, Any]:
        """Return the object that the service answers to one request of a tool. Raises `ApiError`.

        Without a tool, the path is one of the service's own.
        """
        try:
            async with self._request(method, tool, *path, json=body) as response:
                content = await response.content.read(MAX_ANSWER_BYTES + 1)
                while len(content) <= MAX_ANSWER_BYTES and not response.content.at_eof():
                    content += await response.content.read(MAX_ANSWER_BYTES + 1 - len(content))
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise unanswered(error) from None
        answer = _object(content)
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise _error(response, answer)
        if answer is None:
            raise Unanswered("what answers is not the builds service")
        return answer

    async def lines(
        self, tool: str, *path: str, follow: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the objects that the service sends, one a line, as they come. Raises `ApiError`."""
        timeout = aiohttp.ClientTimeout(sock_connect=CALL_SECONDS, sock_read=QUIET_SECONDS)
        query = {"follow": "true" if follow else "false"}
        try:
            async with self._request("GET", tool, *path, params=query, timeout=timeout) as response:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    async with asyncio.timeout(CALL_SECONDS):
                        content = await response.content.read(MAX_LINE_BYTES)
                    raise _error(response, _object(content))
                async for line in _split(response.content):
                    if line.strip():
                        yield _object(line) or {"line": line.decode("utf-8", "replace")}
        except (aiohttp.ClientError, OSError) as error:
            raise unanswered(error) from None

    def _request(self, method: str, tool: str, *path: str, **options: Any) -> Any:
        if self._session is None:
            raise RuntimeError("the connection has not been opened")
        self._take_up_files()
        parts = ("v1", "tool", tool, *path) if tool else ("v1", *path)
        return self._session.request(
            method,
            self.url.joinpath(*(quote(each, safe="") for each in parts), encoded=True),
            headers={"X-Toolforge-Tool": tool} if tool else {},
            ssl=self._context or True,
            # A redirect would take the request, or the certificate, to somebody else.
            allow_redirects=False,
            **options,
        )

    def _take_up_files(self) -> None:
        """Use files that have changed for new connections; bad ones, once they are not."""
        try:
            contents = self.files.contents()
            if self._context is not None and contents != self._contents:
                self._context, self._contents = self.files.context(), contents
        except OSError as error:
            logger.warning("the certificate for the builds service cannot be renewed: %s", error)


def unanswered(error: Exception) -> Unanswered:
    """Return that there was no answer, with the reason but without an address."""
    if isinstance(error, aiohttp.ClientSSLError):
        reason = "it, or its certificate, is not one that we accept"
    elif isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or "cannot connect"
    else:
        reason = str(error) or "no answer in time"
    return Unanswered(f"the builds service does not answer: {reason}")


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


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _error(response: aiohttp.ClientResponse, answer: dict[str, Any] | None) -> ApiError:
    words = words_of(answer or {})
    known = _BY_STATUS.get(response.status)
    if known is Denied:
        return Denied("the builds service does not accept this service's certificate")
    if known:
        return known(words or f"the builds service answered {response.status}")
    after = response.headers.get("Retry-After", "")
    return Unanswered(
        f"the builds service answered {response.status}" + (f": {words}" if words else ""),
        float(after) if after.isdecimal() else None,
    )


def words_of(answer: dict[str, Any]) -> str:
    """Return what an answer says of an error: `ResponseMessages`, by itself or as `messages`."""
    messages = answer.get("messages")
    errors = (messages if isinstance(messages, dict) else answer).get("error")
    if isinstance(errors, str):
        return errors
    return "; ".join(map(str, errors)) if isinstance(errors, list) else ""
