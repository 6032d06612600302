"""Speaking to the service: one request, one reply, and errors in words."""

import codecs
import ipaddress
import os
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
from cryptography.x509 import Name, NameAttribute
from cryptography.x509.oid import NameOID
from yarl import URL

from components.caller_secret import CALLER_HEADER, read_secret

TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)

LINE_LENGTH = 64 * 1024
"""A line of a log that is longer, in characters, comes in pieces."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the service is, for which tool, and what proves that it is us."""

    url: URL
    tool: str
    auth_header: str
    auth_organization: str
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the service answered, and when by its own clock."""

    data: Any
    info: tuple[str, ...]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    date: datetime
    etag: str = ""


class ServiceError(Exception):
    """The service could not be asked, or answered with an error; `passing` if only for now.

    `status` is what it answered, and `retry_after` the seconds that it asks to be left alone for.
    """

    def __init__(
        self,
        errors: tuple[str, ...],
        warnings: tuple[str, ...] = (),
        *,
        passing: bool = False,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
        self.warnings = warnings
        self.passing = passing
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Client:
    """The API of one tool. `path` arguments are relative to the tool's own path."""

    connection: Connection
    session: aiohttp.ClientSession

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Return the reply to one request. Raises `ServiceError`."""
        try:
            async with self.session.request(
                method, self._url(path), data=body, json=json, headers=headers
            ) as response:
                reply = await _reply(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _refusal(response, reply)
        return reply

    async def changed(self, path: str, known: Reply, seconds: float) -> Reply:
        """Return what is at `path` once it is not what is `known`, or that after some seconds.

        Raises `ServiceError`.
        """
        query, headers = {"wait": f"{seconds:g}"}, {"If-None-Match": known.etag}
        try:
            async with self.session.get(self._url(path), params=query, headers=headers) as response:
                if response.status == HTTPStatus.NOT_MODIFIED:
                    return replace(known, date=_date(response))
                reply = await _reply(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _refusal(response, reply)
        return reply

    async def lines(self, path: str, *, follow: bool = False) -> AsyncIterator[str]:
        """Yield the lines of a text, without line ends, as they come. Raises `ServiceError`."""
        query = {"follow": "true"} if follow else {}
        begun = False
        try:
            # A build may say nothing for as long as it takes.
            async with self.session.get(
                self._url(path), params=query, timeout=aiohttp.ClientTimeout(connect=10)
            ) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise _refusal(response, await _reply(response))
                begun = True
                rest = ""
                decode = codecs.getincrementaldecoder("utf-8")("replace").decode
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + decode(chunk)).split("\n")
                    if len(rest) > LINE_LENGTH:
                        lines, rest = [*lines, rest], ""
                    for line in lines:
                        yield line
                if rest:
                    yield rest
        except (aiohttp.ClientError, TimeoutError) as error:
            if begun:
                message = f"the answer of the service broke off: {_reason(error)}"
                raise ServiceError((message,), passing=True) from None
            raise self._unreachable(error) from None

    def _url(self, path: str) -> URL:
        # What answers have named may be anything.
        quoted = quote(path, errors="replace")
        url = self.connection.url / "api/v1/tool" / self.connection.tool
        return url.joinpath(quoted, encoded=True)

    def _unreachable(self, error: Exception) -> ServiceError:
        message = f"cannot reach the service at {self.connection.url}: {_reason(error)}"
        return ServiceError((message,), passing=True)


@asynccontextmanager
async def connect(connection: Connection) -> AsyncIterator[Client]:
    """Yield a client. Raises `ServiceError` where a certificate file cannot be used."""
    headers = {}
    if connection.url.scheme == "http" and _is_loopback(connection.url.host or ""):
        # Nobody checks certificates on this machine, so we say ourselves who we are.
        headers[connection.auth_header] = _subject(connection)
        if secret := read_secret(connection.url.port or 80):
            headers[CALLER_HEADER] = secret
    connector = aiohttp.TCPConnector(ssl=_tls(connection))
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=TIMEOUT
    ) as session:
        yield Client(connection, session)


async def _reply(response: aiohttp.ClientResponse) -> Reply:
    try:
        body = await response.json()
        messages = body["messages"]
        return Reply(
            body["data"],
            tuple(messages["info"]),
            tuple(messages["warning"]),
            tuple(messages["error"]),
            _date(response),
            response.headers.get("ETag", ""),
        )
    except (aiohttp.ContentTypeError, ValueError, KeyError, TypeError, RecursionError):
        message = f"{response.url} answered {response.status}, and not as this service does"
        raise ServiceError((message,), passing=response.status >= HTTPStatus.BAD_GATEWAY) from None


def _date(response: aiohttp.ClientResponse) -> datetime:
    """Return when it was answered: by the service's clock, or by ours where that says nothing."""
    try:
        date = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _refusal(response: aiohttp.ClientResponse, reply: Reply) -> ServiceError:
    busy = response.status == HTTPStatus.TOO_MANY_REQUESTS
    after = response.headers.get("Retry-After", "")
    return ServiceError(
        reply.errors,
        reply.warnings,
        passing=busy or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        status=response.status,
        retry_after=float(after) if re.fullmatch("[0-9]{1,4}", after) else None,
    )


def _reason(error: Exception) -> str:
    # The errno of a TLS error is OpenSSL's, and means something else to the system.
    is_tls = isinstance(error, aiohttp.ClientSSLError | ssl.SSLError)
    if isinstance(error, aiohttp.ClientOSError) and not is_tls and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0).lower()
    return str(error) or "no answer in time"


def _subject(connection: Connection) -> str:
    return Name(
        [
            NameAttribute(NameOID.ORGANIZATION_NAME, connection.auth_organization),
            NameAttribute(NameOID.COMMON_NAME, connection.tool),
        ]
    ).rfc4514_string()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(connection: Connection) -> ssl.SSLContext:
    used = connection.ca
    try:
        context = ssl.create_default_context(cafile=connection.ca)
        if connection.certificate:
            used = connection.certificate
            context.load_cert_chain(connection.certificate, connection.key)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise ServiceError((f"the certificate file {used} cannot be used: {reason}",)) from None
    return context
