"""The HTTP client of the service: requests, replies, and errors as readable messages."""

import codecs
import ipaddress
import os
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import hdrs
from cryptography.x509 import Name, NameAttribute
from cryptography.x509.oid import NameOID
from yarl import URL

from components.caller_secret import CALLER_HEADER, read_secret

TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10)

LINE_LENGTH = 64 * 1024
"""The maximum length of a log line in characters; a longer one is split."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The URL of the service, the tool, and the client's credentials.

    With a `token`, that is the only credential, except for a certificate that TLS may need.
    """

    url: URL
    tool: str
    auth_header: str
    auth_organization: str
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response of the service, with its time by the service's clock."""

    data: Any
    info: tuple[str, ...]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    date: datetime
    etag: str = ""


class ServiceError(Exception):
    """The service could not be reached, or returned an error; `temporary` if a retry may help.

    `status` is the HTTP status, and `retry_after` the value of that header in seconds.
    """

    def __init__(
        self,
        errors: tuple[str, ...],
        warnings: tuple[str, ...] = (),
        *,
        temporary: bool = False,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
        self.warnings = warnings
        self.temporary = temporary
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Client:
    """The API of one tool. `path` arguments are relative to the tool's path."""

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
            raise _service_error(response, reply)
        return reply

    async def wait_for_change(self, path: str, known: Reply, seconds: float) -> Reply:
        """Return the reply for `path` once it differs from `known`, or `known` after some seconds.

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
            raise _service_error(response, reply)
        return reply

    async def lines(self, path: str, *, follow: bool = False) -> AsyncIterator[str]:
        """Yield the lines of a text, without line ends, as they arrive. Raises `ServiceError`."""
        query = {"follow": "true"} if follow else {}
        started = False
        try:
            # No timeout for reading: a build may log nothing for as long as it runs.
            async with self.session.get(
                self._url(path), params=query, timeout=aiohttp.ClientTimeout(connect=10)
            ) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise _service_error(response, await _reply(response))
                started = True
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
            if started:
                message = f"the connection to the service was lost: {_reason(error)}"
                raise ServiceError((message,), temporary=True) from None
            raise self._unreachable(error) from None

    def _url(self, path: str) -> URL:
        # Names in responses are untrusted.
        quoted = quote(path, errors="replace")
        url = self.connection.url / "api/v1/tool" / self.connection.tool
        return url.joinpath(quoted, encoded=True)

    def _unreachable(self, error: Exception) -> ServiceError:
        message = f"cannot reach the service at {self.connection.url}: {_reason(error)}"
        return ServiceError((message,), temporary=True)


@asynccontextmanager
async def connect(connection: Connection) -> AsyncIterator[Client]:
    """Yield a client. Raises `ServiceError` if a certificate file cannot be used."""
    headers: dict[str, str] = {}
    if connection.token is not None:
        headers[hdrs.AUTHORIZATION] = f"Bearer {connection.token}"
    elif connection.url.scheme == "http" and _is_loopback(connection.url.host or ""):
        # Plain text on this machine has no client certificate, so send the subject in a header.
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
        message = f"{response.url} returned {response.status}, but not a response of this service"
        raise ServiceError(
            (message,), temporary=response.status >= HTTPStatus.BAD_GATEWAY
        ) from None


def _date(response: aiohttp.ClientResponse) -> datetime:
    """Return the time of a response: its Date header, or our own clock without a valid one."""
    try:
        date = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _service_error(response: aiohttp.ClientResponse, reply: Reply) -> ServiceError:
    busy = response.status == HTTPStatus.TOO_MANY_REQUESTS
    retry_after = response.headers.get("Retry-After", "")
    return ServiceError(
        reply.errors,
        reply.warnings,
        temporary=busy or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        status=response.status,
        retry_after=float(retry_after) if re.fullmatch("[0-9]{1,4}", retry_after) else None,
    )


def _reason(error: Exception) -> str:
    # The errno of a TLS error is OpenSSL's; `strerror` would give another meaning.
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
    file = connection.ca
    try:
        context = ssl.create_default_context(cafile=connection.ca)
        if connection.certificate:
            file = connection.certificate
            context.load_cert_chain(connection.certificate, connection.key)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise ServiceError((f"the certificate file {file} cannot be used: {reason}",)) from None
    return context
