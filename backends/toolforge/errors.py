"""The errors of calls to a service, in one place; messages name the service.

ApiError
├── Rejected           400, 422: the service will never do it; the service's message
├── NotFound           404: the tool, or what is asked for, does not exist
├── Busy               409: not possible now; the service's message
├── Unauthorized       401, 403: the service does not accept this client's certificate
└── NoResponse         no connection, timeout, or a response not from the service itself
    └── NotExecuted    the same, but the call was certainly not executed

The first three are final, and only the service itself can report them: a response without its
format comes from a proxy, and a retry may pass.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import aiohttp

from backends.retries import TransientError


class ApiError(Exception):
    """The base of all errors of a call; the message is for people."""


class Rejected(ApiError):
    """The service will never do this."""


class NotFound(ApiError):
    """The tool, or what is asked for, does not exist."""


class Busy(ApiError):
    """The current state does not allow it."""


class Unauthorized(ApiError):
    """The service, or its gateway, does not accept this client."""


class NoResponse(ApiError, TransientError):
    """There was no response, or not a valid one; the call may have been executed."""


class NotExecuted(NoResponse):
    """There was no response, or a rejection for now; the call was not executed."""


_FINAL_ERRORS: Mapping[int, type[ApiError]] = {
    400: Rejected,
    404: NotFound,
    409: Busy,
    422: Rejected,
}
_DENIED = (401, 403)


@contextmanager
def http_errors(service: str) -> Iterator[None]:
    """Raise `NoResponse` for errors of the HTTP client, TLS, or a malformed response."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
        raise _no_response(service, error) from None


def _no_response(service: str, error: Exception) -> NoResponse:
    """Return the error for a missing response, with the reason but without an address."""
    kind: type[NoResponse] = NoResponse
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        kind = NotExecuted  # nothing has been sent yet
    if isinstance(error, aiohttp.ClientSSLError):
        reason = "its TLS certificate is not accepted"
    elif isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or "cannot connect"
    elif isinstance(error, TimeoutError):
        reason = "timeout"
    elif isinstance(error, aiohttp.ClientResponseError | ValueError):
        reason = "its response is not valid HTTP"
    else:
        reason = str(error) or type(error).__name__
    return kind(f"{service} does not respond: {reason}")


def error_of(
    service: str, status: int, retry_after: str, answer: Mapping[str, Any] | None
) -> ApiError:
    """Return the error for a response whose `status` is not a success.

    A rejected request (4xx) was not executed, even if a proxy rejected it. Of 5xx, that only
    applies to the service's own 503: a proxy may time out while the service still executes the
    request.
    """
    words = error_messages(answer or {})
    if status in _DENIED:
        return Unauthorized(f"{service} does not accept this service's certificate")
    if words and status in _FINAL_ERRORS:
        return _FINAL_ERRORS[status](words)
    not_done = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR or (
        words and status == HTTPStatus.SERVICE_UNAVAILABLE
    )
    return (NotExecuted if not_done else NoResponse)(
        f"{service} responded with {status}" + (f": {words}" if words else ""),
        float(retry_after) if retry_after.isdecimal() else None,
    )


def error_messages(answer: Mapping[str, Any]) -> str:
    """Return the messages of an error: `ResponseMessages`, by itself or as `messages`.

    Empty if there are none, or if the response is not from the service.
    """
    messages = answer.get("messages")
    errors = (messages if isinstance(messages, dict) else answer).get("error")
    return "; ".join(map(str, errors)) if isinstance(errors, list) else ""


def json_object(content: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body; None if it is anything else."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
