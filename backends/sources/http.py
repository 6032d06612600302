"""Fetching over http and https: from public addresses, within bounds of time, size and redirects.

Nothing of this service goes out with a request: no credentials, no cookies, no referrer. Nothing of
a response goes into a message: who names the host also writes what it responds.
"""

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias
from weakref import WeakValueDictionary

import aiohttp
from yarl import URL

from backends.addresses import AddressRefused, connector
from backends.errors import BackendError
from backends.resolver import ThreadResolver
from backends.sources.base import Fetched, Fetcher, SourceRejected, SourceUnavailable

SECONDS = 10.0
"""How long fetching may take, redirects and everything else included."""

MAX_BYTES = 256 * 1024
MAX_REDIRECTS = 3

MAX_CONNECTIONS = 64
MAX_OF_TOOL = 4
"""How many are fetched at a time, in total and for one tool; the others wait in their own time."""

Connect: TypeAlias = Callable[..., aiohttp.BaseConnector]

_REDIRECTS = (301, 302, 303, 307, 308)
_TEMPORARY = (408, 425, 429)
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "components-api"}

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_COMMIT_HEADER = "X-Gitlab-Commit-Id"
"""Where GitLab's API names the commit of a file."""

_ETAG_LENGTH = 200


class HttpFetcher(Fetcher):
    """Fetches from what `connect` connects to; call `open` first, `close` last.

    `connect` returns a connector with the options given to it; by default, one that connects to
    public addresses only. `seconds` is the timeout of all of a fetch.
    """

    def __init__(self, connect: Connect = connector, seconds: float = SECONDS) -> None:
        self._connect = connect
        self._seconds = seconds
        self._resolver = ThreadResolver()
        self._session: aiohttp.ClientSession | None = None
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def open(self) -> None:
        """See `Fetcher.open`."""
        self._session = aiohttp.ClientSession(
            connector=self._connect(
                resolver=self._resolver, limit=MAX_CONNECTIONS, force_close=True
            ),
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        )

    async def fetch(self, tool: str, url: str) -> Fetched:
        """See `Fetcher.fetch`."""
        first = _checked(url)
        slots = self._slots.setdefault(tool, asyncio.Semaphore(MAX_OF_TOOL))
        try:
            async with asyncio.timeout(self._seconds), slots:
                return await self._follow(first)
        except TimeoutError:
            raise SourceUnavailable(
                f"{_shown(first)} took longer than {self._seconds:g} s"
            ) from None

    async def close(self) -> None:
        """See `Fetcher.close`."""
        if self._session:
            await self._session.close()
        await self._resolver.close()

    async def _follow(self, first: URL) -> Fetched:
        url, where = first, _shown(first)
        for _ in range(MAX_REDIRECTS + 1):
            found = await self._get(url, where)
            if isinstance(found, Fetched):
                return found
            if url.scheme == "https" and found.scheme == "http":
                raise SourceRejected(f"{where} redirects from https to http")
            # Of the URL that it redirects to, only the host: the rest may be a signature.
            url, where = found, f"{_shown(first)}, redirected to {found.host}"
        raise SourceRejected(f"{_shown(first)} redirects more than {MAX_REDIRECTS} times")

    async def _get(self, url: URL, where: str) -> Fetched | URL:
        """Return what a URL gives, or where it redirects to."""
        assert self._session, "it was not opened"  # noqa: S101 - a call in the wrong order
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status in _REDIRECTS:
                    return _target(url, response.headers, where)
                return await _read(response, where)
        except (aiohttp.ClientError, ValueError) as error:
            raise _error_of(error, where) from None


async def _read(response: aiohttp.ClientResponse, where: str) -> Fetched:
    """Return a response's content. Raises `SourceRejected`, `SourceUnavailable`."""
    if response.status != HTTPStatus.OK:
        raise _error_of_status(response.status, where)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise SourceRejected(f"{where} sends a compressed response, which was not asked for")
    if response.content_type in ("text/html", "application/xhtml+xml"):
        raise SourceRejected(f"{where} is a web page: use the URL of the raw file")
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_BYTES:
            raise SourceRejected(f"{where} is larger than {MAX_BYTES} bytes")
    return Fetched(
        bytes(content), _commit_of(response.url, response.headers), _etag_of(response.headers)
    )


def _checked(url: str, base: URL | None = None) -> URL:
    """Return a URL without its fragment. Raises `SourceRejected` unless it may be fetched."""
    try:
        found = URL(url) if base is None else base.join(URL(url))
        found = found.with_fragment(None)
        usable = found.scheme in ("http", "https") and bool(found.host) and found.port != 0
    except ValueError:
        usable = False
    if not usable or found.raw_user or found.raw_password:
        raise SourceRejected(
            "it must be an http or https URL with a host, without user information"
        )
    return found


def _target(url: URL, headers: Mapping[str, str], where: str) -> URL:
    try:
        return _checked(headers.get("Location", ""), url)
    except SourceRejected:
        raise SourceRejected(
            f"{where} redirects to what is not an http or https URL without user information"
        ) from None


def _shown(url: URL) -> str:
    """Return a URL for messages, without its query, which may contain a token."""
    return str(url.with_query(None))


def _commit_of(url: URL, headers: Mapping[str, str]) -> str | None:
    named = (headers.get(_COMMIT_HEADER, ""), *url.parts)
    return next(filter(_COMMIT.fullmatch, named), None)


def _etag_of(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("ETag", "")
    usable = 0 < len(etag) <= _ETAG_LENGTH and etag.isascii() and etag.isprintable()
    return etag if usable else None


def _error_of_status(status: int, where: str) -> BackendError:
    known = status in HTTPStatus._value2member_map_
    phrase = f" {HTTPStatus(status).phrase}" if known else ""
    kind = (
        SourceUnavailable
        if status in _TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        else SourceRejected
    )
    return kind(f"{where} responds with {status}{phrase}")


def _error_of(error: Exception, where: str) -> BackendError:
    """Return the error for one of aiohttp, without what it repeats of a response."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        invalid = error.certificate_error
        why = invalid.verify_message if isinstance(invalid, ssl.SSLCertVerificationError) else ""
        return SourceRejected(f"{where} has no valid certificate{why and f': {why}'}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return SourceUnavailable(f"the host of {where} cannot be resolved")
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, AddressRefused):
            return SourceRejected(f"{where} is not fetched: {error.os_error}")
        return SourceUnavailable(f"{where} cannot be connected to")
    if isinstance(error, ValueError):  # also a host name that cannot be one
        return SourceRejected(f"{where} is not a valid URL")
    return SourceUnavailable(f"{where} sends no complete HTTP response")
