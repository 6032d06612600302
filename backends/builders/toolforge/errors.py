"""What comes of a call to the builds service that is not what was asked for, in one place.

ApiError
├── Refused            400, 422: the service will not do it; in its own words
├── Missing            404: there is no such thing
├── Busy               409: not now, in its own words
├── Denied             401, 403: the service does not take this client's certificate
└── Unanswered         no connection, no answer in time, or none that the service itself has given
    └── NotDone        the same, and the call was certainly not carried out

The first three are final, and only the service itself can say them: an answer that does not have
its form is that of something in between, which may be gone a moment later.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import aiohttp

from backends.retries import MayPass


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


class NotDone(Unanswered):
    """There was no answer, or not now; whatever was asked for was not done."""


_FINAL: Mapping[int, type[ApiError]] = {400: Refused, 404: Missing, 409: Busy, 422: Refused}
_DENIED = (401, 403)


@contextmanager
def translated() -> Iterator[None]:
    """Raise `Unanswered` for whatever the HTTP client, TLS or a malformed answer raises."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
        raise _unanswered(error) from None


def _unanswered(error: Exception) -> Unanswered:
    """Return that there was no answer, with the reason but without an address."""
    kind: type[Unanswered] = Unanswered
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        kind = NotDone  # nothing has been sent yet
    if isinstance(error, aiohttp.ClientSSLError):
        reason = "it, or its certificate, is not one that we accept"
    elif isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or "cannot connect"
    elif isinstance(error, TimeoutError):
        reason = "no answer in time"
    elif isinstance(error, aiohttp.ClientResponseError | ValueError):
        reason = "what it sent is not HTTP"
    else:
        reason = str(error) or type(error).__name__
    return kind(f"the builds service does not answer: {reason}")


def error_of(status: int, retry_after: str, answer: Mapping[str, Any] | None) -> ApiError:
    """Return what an answer means whose `status` is not that of a success.

    Of a request that was refused (4xx) nothing was done, whoever says so. Of 5xx only the service's
    own 503 says that: in between, something may give up on what is being done.
    """
    words = words_of(answer or {})
    if status in _DENIED:
        return Denied("the builds service does not accept this service's certificate")
    if words and status in _FINAL:
        return _FINAL[status](words)
    not_done = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR or (
        words and status == HTTPStatus.SERVICE_UNAVAILABLE
    )
    return (NotDone if not_done else Unanswered)(
        f"the builds service answered {status}" + (f": {words}" if words else ""),
        float(retry_after) if retry_after.isdecimal() else None,
    )


def words_of(answer: Mapping[str, Any]) -> str:
    """Return what the service says of an error: `ResponseMessages`, by itself or as `messages`.

    Empty where it says nothing, or where it was not the service that said it.
    """
    messages = answer.get("messages")
    errors = (messages if isinstance(messages, dict) else answer).get("error")
    return "; ".join(map(str, errors)) if isinstance(errors, list) else ""


def object_of(content: bytes) -> dict[str, Any] | None:
    """Return the JSON object that an answer is; None where it is anything else."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
