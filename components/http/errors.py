"""Errors as responses: one table maps each error to its status. No response has internal details.

The texts of 404, 409 and 412 are those of `components.engine.errors`.

RequestError
├── UnknownParameter      400   a query parameter that the route does not have
├── BadToolName           400   not a valid tool name
├── BadParameter          400   a path or query parameter, or a header, with a bad value
├── BadBody               400   a body with unknown or invalid fields
├── Unauthenticated       401   no usable subject
├── Forbidden             403   a subject that may not do this
│   └── CrossOrigin       403   a write request from a page of another origin
├── UnsupportedFormat     415   a body that is not JSON or YAML
│   └── CompressedBody    415   a body with a Content-Encoding
├── UnknownHost           421   a host name that this service does not have
├── TooManyRequests       429   a tool has exceeded its rate or its quota
├── Stopping              503   the service is shutting down
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
from backends.sources.base import SourceRejected
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
    NotPermitted,
    NotRunning,
    QueueFull,
    RolloutUnderWay,
    TooManyConflicts,
    TooManyUnfinished,
    UnknownComponents,
)
from components.engine.tokens.errors import BadToken, NoToken, TokenExists, TooManyTokens
from components.http.responses.envelope import enveloped
from components.http.server.tls import StaleConnection

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
"""The `Retry-After` of temporary errors."""

CHALLENGE = 'ClientCertificate realm="components-api", Bearer realm="components-api"'
"""The challenge of a 401. No scheme is registered for client certificates."""

TOKEN_CHALLENGE = 'Bearer realm="components-api", error="invalid_token"'  # noqa: S105
"""The challenge if a token was sent (RFC 6750, 3)."""


class RequestError(Exception):
    """Base class of errors in a request; the response has these `headers`."""

    headers: Mapping[str, str] = {}


class BadToolName(RequestError):
    """The path has an invalid tool name."""


class BadParameter(RequestError):
    """A path or query parameter, or a header, has an invalid value."""


class BadBody(RequestError):
    """The body is JSON with unknown or invalid fields; `errors` has a message for each."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)


class UnknownParameter(RequestError):
    """The query has a parameter that the route does not have."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near else f"it has {', '.join(sorted(known)) or 'none'}"
        super().__init__(f"this path has no query parameter {named(name)}: {hint}")


class Unauthenticated(RequestError):
    """The request has no usable subject."""


class Forbidden(RequestError):
    """The subject may not do this."""


class CrossOrigin(Forbidden):
    """A page of another origin has sent a write request."""

    def __init__(self, header: str, value: str) -> None:
        super().__init__(
            f"the request is from a page of another origin ({header}: {clipped(value)}): only the "
            "service's own pages may change something; COMPONENTS_HOSTS adds host names"
        )


class UnknownHost(RequestError):
    """The request is for a host name that this service does not have."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"this service does not have the host name {named(host)}: over plain text from this "
            "machine, use localhost, 127.0.0.1 or [::1]; COMPONENTS_HOSTS adds other names"
        )


class UnsupportedFormat(RequestError):
    """The body is in an unsupported format."""


class CompressedBody(UnsupportedFormat):
    """The body has a Content-Encoding, which is not supported."""

    headers: Mapping[str, str] = {"Accept-Encoding": "identity"}

    def __init__(self) -> None:
        super().__init__("Content-Encoding: send the body uncompressed, without this header")


class DeadlineExceeded(RequestError):
    """The request has exceeded the request timeout."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the request took longer than {seconds:g} s and was cancelled; it may have stored "
            "something, so check the state before you repeat it"
        )


class TooManyRequests(RequestError):
    """The tool has exceeded its rate, or its number of held requests."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(math.ceil(retry_after))}


class Stopping(RequestError):
    """The service is shutting down."""

    def __init__(self) -> None:
        super().__init__("this instance of the service is shutting down: send the request again")


STATUSES: dict[type[Exception], HTTPStatus] = {
    BadBody: HTTPStatus.BAD_REQUEST,
    BadParameter: HTTPStatus.BAD_REQUEST,
    BadToolName: HTTPStatus.BAD_REQUEST,
    MalformedConfiguration: HTTPStatus.BAD_REQUEST,
    UnknownParameter: HTTPStatus.BAD_REQUEST,
    web.RequestPayloadError: HTTPStatus.BAD_REQUEST,
    StaleConnection: HTTPStatus.UNAUTHORIZED,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    BadToken: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotPermitted: HTTPStatus.FORBIDDEN,
    BuildNotFound: HTTPStatus.NOT_FOUND,
    NoComponent: HTTPStatus.NOT_FOUND,
    NoConfiguration: HTTPStatus.NOT_FOUND,
    NoDeployment: HTTPStatus.NOT_FOUND,
    NoLog: HTTPStatus.NOT_FOUND,
    NoSuchTool: HTTPStatus.NOT_FOUND,
    NoToken: HTTPStatus.NOT_FOUND,
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
    TokenExists: HTTPStatus.CONFLICT,
    TooManyTokens: HTTPStatus.CONFLICT,
    TooManyUnfinished: HTTPStatus.CONFLICT,
    ConfigurationChanged: HTTPStatus.PRECONDITION_FAILED,
    UnsupportedFormat: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidConfiguration: HTTPStatus.UNPROCESSABLE_ENTITY,
    KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    SourceRejected: HTTPStatus.UNPROCESSABLE_ENTITY,
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

_RETRYABLE = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Return every error in the envelope, with the status of its type."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _response(HTTPStatus(error.status), [_aiohttp_message(request, error)], error)
    except tuple(STATUSES) as error:
        status = next(STATUSES[each] for each in type(error).__mro__ if each in STATUSES)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("%s %s: %s", request.method, request.path, error)  # noqa: TRY400
        if isinstance(error, InvalidConfiguration):
            return _response(status, error.messages, warnings=error.hint_messages)
        response = _response(status, error.errors if isinstance(error, BadBody) else [str(error)])
        if isinstance(error, RequestError):
            response.headers.update(error.headers)
        if isinstance(error, ConfigurationChanged) and error.etag:
            response.etag = error.etag
        if isinstance(error, BadToken):
            response.headers["WWW-Authenticate"] = TOKEN_CHALLENGE
        if isinstance(error, StaleConnection):
            response.force_close()
        return response
    except Exception as error:
        if isinstance(error, ConnectionError) and request.transport is None:
            # The client has disconnected while it sent the body: nothing reads this response.
            return _response(HTTPStatus.BAD_REQUEST, ["the body is incomplete"])
        # The only handler of unexpected errors: the client gets an id, the log has the traceback.
        error_id = uuid.uuid4().hex[:12]
        logger.exception("internal error %s in %s %s", error_id, request.method, request.path)
        message = f"internal error {error_id}: the service's log has the details under this id"
        return _response(HTTPStatus.INTERNAL_SERVER_ERROR, [message])


def _response(
    status: HTTPStatus,
    errors: Sequence[str],
    cause: web.HTTPException | None = None,
    warnings: Sequence[str] = (),
) -> web.Response:
    headers = {}
    if status in _RETRYABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(cause, web.HTTPMethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(cause.allowed_methods))
    return enveloped(None, errors=errors, warnings=warnings, status=status, headers=headers)


def _aiohttp_message(request: web.Request, error: web.HTTPException) -> str:
    """Return the message for an error of aiohttp."""
    if isinstance(error, web.HTTPNotFound):
        return f"there is no path {named(request.path)}: /openapi.json lists all paths"
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return f"the method {request.method} is not allowed for this path: use {allowed}"
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return f"the body is too large: at most {MAX_BYTES} bytes are allowed"
    return f"{error.status} {error.reason}"
