"""Errors as answers: which status each error has, in one table, and nothing internal in any.

RequestError
├── UnknownParameter      400   a query parameter that the route does not have
├── BadToolName           400   not a tool's name
├── BadParameter          400   a path or query parameter, or a header, with a bad value
├── BadBody               400   a body that says something else than it may
├── Unauthenticated       401   no usable subject
├── Forbidden             403   a subject that may not do this
│   └── CrossOrigin       403   a page of another origin that would change something
├── UnsupportedFormat     415   a body in something else than JSON or YAML
│   └── CompressedBody    415   a body that is encoded
├── UnknownHost           421   a name that this service does not have
├── TooManyRequests       429   more for a tool than may be
├── Stopping              503   the service is told to stop
└── DeadlineExceeded      504   the request took too long
"""

import logging
import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from backends.builders.base import BuildNotFound
from backends.errors import BackendUnavailable
from backends.runners.base import NothingRuns, RunRejected, Superseded
from backends.stores.base import Corrupt, Rejected, Unavailable
from components.configuration.json_values import MAX_BYTES
from components.configuration.problems import (
    InvalidConfiguration,
    MalformedConfiguration,
    clipped,
    named,
    nearest,
)
from components.engine.errors import (
    AlreadyFinal,
    Busy,
    ConfigurationChanged,
    ImagesGone,
    KeyReused,
    MadeByNewer,
    NoComponent,
    NoConfiguration,
    NoDeployment,
    NoDigest,
    NoLog,
    NoSuchTool,
    NotDeployable,
    NotFinal,
    NothingToRetry,
    NotRunning,
    QueueFull,
    RolloutUnderWay,
    TooManyConflicts,
    TooManyUnfinished,
    UnknownComponents,
)
from components.http.responses.envelope import enveloped
from components.http.server.tls import StaleConnection

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
"""What a client is told to wait after an error that may pass."""

CHALLENGE = 'ClientCertificate realm="components-api"'
"""How to be somebody, for a 401. No scheme is registered for what TLS and the gateway do."""


class RequestError(Exception):
    """The root of what a request itself can have wrong; its answer has these `headers`."""

    headers: Mapping[str, str] = {}


class BadToolName(RequestError):
    """The path holds something that no tool can be called."""


class BadParameter(RequestError):
    """A path or query parameter has a bad value."""


class BadBody(RequestError):
    """The body is JSON and not what this path takes; `errors` says what is wrong, one by one."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)


class UnknownParameter(RequestError):
    """The query has a parameter that the route does not have."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        near = nearest(name, known)
        names = ", ".join(sorted(known))
        hint = f"did you mean {near!r}?" if near else f"it takes {names or 'none'}"
        super().__init__(f"this path has no query parameter {named(name)}: {hint}")


class Unauthenticated(RequestError):
    """Nobody, or nobody in particular, is asking."""


class Forbidden(RequestError):
    """Somebody is asking who may not."""


class CrossOrigin(Forbidden):
    """A page in a browser that is not the service's own would change something."""

    def __init__(self, header: str, value: str) -> None:
        super().__init__(
            f"the page that asks is a stranger ({header}: {clipped(value)}): only the service's "
            "own pages may change something; COMPONENTS_HOSTS adds names that the service has"
        )


class UnknownHost(RequestError):
    """The request is for a name that this service does not have."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"this service is not called {named(host)}: over plain text from this machine it is "
            "localhost, 127.0.0.1 or [::1]; COMPONENTS_HOSTS adds other names"
        )


class UnsupportedFormat(RequestError):
    """The body is in a format that is not read here."""


class CompressedBody(UnsupportedFormat):
    """The body is encoded, and nothing is decoded here."""

    headers: Mapping[str, str] = {"Accept-Encoding": "identity"}

    def __init__(self) -> None:
        super().__init__("Content-Encoding: send the body as it is, without this header")


class DeadlineExceeded(RequestError):
    """The request took longer than a request may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the request took longer than {seconds:g} s and was ended; what it had stored "
            "remains, so look before you repeat it"
        )


class TooManyRequests(RequestError):
    """The tool has asked as often, or holds as much, as it may."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(math.ceil(retry_after))}


class Stopping(RequestError):
    """The service has been told to stop while the request waited."""

    def __init__(self) -> None:
        super().__init__("this instance of the service is stopping: ask again")


STATUSES: dict[type[Exception], HTTPStatus] = {
    BadBody: HTTPStatus.BAD_REQUEST,
    BadParameter: HTTPStatus.BAD_REQUEST,
    BadToolName: HTTPStatus.BAD_REQUEST,
    MalformedConfiguration: HTTPStatus.BAD_REQUEST,
    UnknownParameter: HTTPStatus.BAD_REQUEST,
    web.RequestPayloadError: HTTPStatus.BAD_REQUEST,
    StaleConnection: HTTPStatus.UNAUTHORIZED,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    BuildNotFound: HTTPStatus.NOT_FOUND,
    NoComponent: HTTPStatus.NOT_FOUND,
    NoConfiguration: HTTPStatus.NOT_FOUND,
    NoDeployment: HTTPStatus.NOT_FOUND,
    NoLog: HTTPStatus.NOT_FOUND,
    NoSuchTool: HTTPStatus.NOT_FOUND,
    NothingRuns: HTTPStatus.NOT_FOUND,
    NotRunning: HTTPStatus.NOT_FOUND,
    AlreadyFinal: HTTPStatus.CONFLICT,
    Busy: HTTPStatus.CONFLICT,
    ImagesGone: HTTPStatus.CONFLICT,
    NoDigest: HTTPStatus.CONFLICT,
    NotDeployable: HTTPStatus.CONFLICT,
    NotFinal: HTTPStatus.CONFLICT,
    NothingToRetry: HTTPStatus.CONFLICT,
    QueueFull: HTTPStatus.CONFLICT,
    Rejected: HTTPStatus.CONFLICT,
    RolloutUnderWay: HTTPStatus.CONFLICT,
    RunRejected: HTTPStatus.CONFLICT,
    Superseded: HTTPStatus.CONFLICT,
    TooManyUnfinished: HTTPStatus.CONFLICT,
    ConfigurationChanged: HTTPStatus.PRECONDITION_FAILED,
    UnsupportedFormat: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidConfiguration: HTTPStatus.UNPROCESSABLE_ENTITY,
    KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnknownComponents: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnknownHost: HTTPStatus.MISDIRECTED_REQUEST,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    Corrupt: HTTPStatus.INTERNAL_SERVER_ERROR,
    BackendUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    TooManyConflicts: HTTPStatus.SERVICE_UNAVAILABLE,
    MadeByNewer: HTTPStatus.SERVICE_UNAVAILABLE,
    Stopping: HTTPStatus.SERVICE_UNAVAILABLE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
}

_MAY_PASS = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error in the envelope, with the status of its type."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _answer(HTTPStatus(error.status), [_of_aiohttp(request, error)], error)
    except tuple(STATUSES) as error:
        status = next(STATUSES[each] for each in type(error).__mro__ if each in STATUSES)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("%s %s: %s", request.method, request.path, error)  # noqa: TRY400
        if isinstance(error, InvalidConfiguration):
            return _answer(status, error.messages, warnings=error.hint_messages)
        answer = _answer(status, error.errors if isinstance(error, BadBody) else [str(error)])
        if isinstance(error, RequestError):
            answer.headers.update(error.headers)
        if isinstance(error, ConfigurationChanged) and error.etag:
            answer.etag = error.etag
        if isinstance(error, StaleConnection):
            answer.force_close()
        return answer
    except Exception as error:
        if isinstance(error, ConnectionError) and request.transport is None:
            # Who asked went in the middle of its body: nobody reads this.
            return _answer(HTTPStatus.BAD_REQUEST, ["the body ended before its end"])
        # The one place for what nobody foresaw: the client gets a number, the log the rest.
        error_id = uuid.uuid4().hex[:12]
        logger.exception("internal error %s in %s %s", error_id, request.method, request.path)
        message = f"internal error {error_id}: the service's log has more under this number"
        return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, [message])


async def expect_continue(request: web.Request) -> None:
    """Let a client send its body; or refuse, in the envelope, what else it expects.

    aiohttp asks this before any middleware.
    """
    expected = request.headers.get("Expect", "")
    if expected.lower() != "100-continue":
        error = f"the expectation {named(expected)} cannot be met: only 100-continue can"
        refusal = enveloped(None, errors=[error])
        raise web.HTTPExpectationFailed(text=refusal.text, content_type=refusal.content_type)
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # Not a part of the answer, whose size tells whether one was begun.
    request.writer.output_size = 0


def _answer(
    status: HTTPStatus,
    errors: Sequence[str],
    cause: web.HTTPException | None = None,
    warnings: Sequence[str] = (),
) -> web.Response:
    headers = {}
    if status in _MAY_PASS:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(cause, web.HTTPMethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(cause.allowed_methods))
    return enveloped(None, errors=errors, warnings=warnings, status=status, headers=headers)


def _of_aiohttp(request: web.Request, error: web.HTTPException) -> str:
    """Say what aiohttp's own error means here."""
    if isinstance(error, web.HTTPNotFound):
        return f"there is no path {named(request.path)}: /openapi.json lists those there are"
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return f"{request.method} is not for this path: it takes {allowed}"
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return f"the body is too large: at most {MAX_BYTES} bytes are read"
    return f"{error.status} {error.reason}"
