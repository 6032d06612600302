"""Asks the server of a repository for refs, over HTTP: at most two requests, bounded in size.

The answer is read as a whole and parsed in a thread: a hostile one takes milliseconds to parse.
"""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from backends.addresses import AddressRefused
from backends.builders.base import BuilderUnavailable, BuildRejected
from backends.git.protocol import Capabilities, NotGit, Refs, ls_refs, read_advertisement, read_refs

MAX_BYTES = 512 * 1024
"""How long one answer may be: about 7000 refs."""

MAX_REDIRECTS = 3

_SERVICE = "git-upload-pack"
_HEADERS = {
    # Some servers only speak git to what looks like git.
    "User-Agent": "git/components-api",
    "Git-Protocol": "version=2",
    # A compressed answer could be larger than it is long.
    "Accept-Encoding": "identity",
}
_ABSENT = (
    HTTPStatus.UNAUTHORIZED,  # so some servers say that there is nothing, or nothing public
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
)


class TooManyRefs(Exception):
    """The answer is longer than `MAX_BYTES`."""


async def ask(session: aiohttp.ClientSession, repository: str, prefixes: Iterable[str]) -> Refs:
    """Return the refs of a repository whose full names begin with one of some prefixes.

    A server that only speaks version 0 of the protocol returns all its refs. Raises
    `BuildRejected` if there is no such repository, `BuilderUnavailable`, and `TooManyRefs`.
    """
    try:
        first, url = await _advertisement(session, URL(repository))
        known = await asyncio.to_thread(read_advertisement, first)
        if isinstance(known, Refs):
            return known
        if not known.lists_refs:
            raise NotGit("it does not list its refs")
        answer = await _answer(session, url, prefixes, known)
        return await asyncio.to_thread(read_refs, answer)
    except NotGit as error:
        raise BuilderUnavailable(f"the repository cannot be read: {error}") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
        raise _failure(error) from None


async def _advertisement(session: aiohttp.ClientSession, repository: URL) -> tuple[bytes, URL]:
    """Return what a server says first, and the repository's URL after redirects."""
    url = (repository / "info" / "refs").with_query(service=_SERVICE)
    options: dict[str, Any] = {"headers": _HEADERS, "max_redirects": MAX_REDIRECTS}
    async with session.get(url, **options) as response:
        content = await _content(response, "advertisement")
        if response.url.parts[-2:] != ("info", "refs"):
            raise NotGit("it redirects to something else")
        return content, response.url.parent.parent


async def _answer(
    session: aiohttp.ClientSession, url: URL, prefixes: Iterable[str], known: Capabilities
) -> bytes:
    options: dict[str, Any] = {
        "headers": {**_HEADERS, "Content-Type": f"application/x-{_SERVICE}-request"},
        "data": ls_refs(prefixes, known.object_format),
        "allow_redirects": False,
    }
    async with session.post(url / _SERVICE, **options) as response:
        return await _content(response, "result")


async def _content(response: aiohttp.ClientResponse, kind: str) -> bytes:
    """Return the body of one of git's answers."""
    if response.status in _ABSENT:
        raise BuildRejected(
            "repository: there is no public git repository at this URL: the server responds with "
            f"{response.status}"
        )
    if response.status != HTTPStatus.OK:
        raise NotGit(f"the server responds with {response.status}")
    if response.content_type != f"application/x-{_SERVICE}-{kind}":
        raise NotGit("what responds is not a git server")
    parts, left = [], MAX_BYTES
    while not response.content.at_eof():
        parts.append(await response.content.read(left + 1))
        left -= len(parts[-1])
        if left < 0:
            raise TooManyRefs
    return b"".join(parts)


def _failure(error: Exception) -> BuilderUnavailable | BuildRejected:
    """Return the error for a request without an answer; it contains no address."""
    reason = getattr(error, "os_error", error)
    if isinstance(reason, AddressRefused):
        return BuildRejected(f"repository: {reason}")
    if isinstance(error, aiohttp.ClientSSLError):
        words = "its TLS certificate is not accepted"
    elif isinstance(error, aiohttp.TooManyRedirects):
        words = f"it redirects more than {MAX_REDIRECTS} times"
    elif isinstance(error, TimeoutError):
        words = "no response in time"
    elif isinstance(error, aiohttp.ClientConnectorError):
        words = error.os_error.strerror or "cannot connect"
    else:
        words = "its response is not valid HTTP"
    return BuilderUnavailable(f"the repository does not respond: {words}")
