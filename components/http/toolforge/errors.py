"""Errors as the clients of this interface expect them.

What is not there is 404 with a message that begins with "Unable to find"; a request that is invalid
is 422 with `detail` beside the envelope. All else is as `components.http.errors` says.
"""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from components.configuration.problems import InvalidConfiguration, MalformedConfiguration
from components.engine.errors import (
    AlreadyFinal,
    Busy,
    EngineError,
    NoConfiguration,
    NoDeployment,
    NoSuchTool,
    QueueFull,
)
from components.http.errors import BadBody, BadParameter
from components.http.identity.needs import is_toolforge
from components.http.responses.envelope import enveloped

_MISSING: dict[type[EngineError], str] = {
    NoConfiguration: "the configuration",
    NoDeployment: "the deployment",
    NoSuchTool: "the tool",
}

_CONFLICTS = (AlreadyFinal, Busy, QueueFull)
_INVALID = (InvalidConfiguration, MalformedConfiguration, BadBody, BadParameter)
_OWN: tuple[type[Exception], ...] = (*_MISSING, *_CONFLICTS, *_INVALID)

Location = Sequence[str | int]
"""Where a problem is: in the body or in the query, and the path in that."""


@web.middleware
async def toolforge_errors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Return the errors that this interface has a form of its own for, on its paths."""
    try:
        return await handler(request)
    except _OWN as error:
        if not is_toolforge(request):
            raise
        if isinstance(error, _INVALID):
            return _invalid(error)
        if isinstance(error, _CONFLICTS):
            return enveloped(None, errors=[_conflict(error)], status=HTTPStatus.CONFLICT)
        what = next(_MISSING[each] for each in type(error).__mro__ if each in _MISSING)
        message = f"Unable to find {what}: {error}"
        return enveloped(None, errors=[message], status=HTTPStatus.NOT_FOUND)


def _conflict(error: AlreadyFinal | Busy | QueueFull) -> str:
    """Return the message of a conflict, without advice and words that are not of this interface."""
    match error:
        case AlreadyFinal():
            return f"deployment {error.deploy_id!r} has ended already, so it cannot be cancelled"
        case Busy():
            return (
                f"deployment {error.running!r} is in progress: wait until it has ended, or cancel "
                "it, and then deploy again"
            )
        case QueueFull():
            return (
                f"{error.waiting} deployments wait already: wait until one has started, or cancel "
                "one, and then deploy again"
            )


def _invalid(error: Exception) -> web.Response:
    problems = _problems(error)
    return enveloped(
        None,
        errors=[message for _, message in problems],
        warnings=error.hint_messages if isinstance(error, InvalidConfiguration) else (),
        status=HTTPStatus.UNPROCESSABLE_ENTITY,
        detail=[
            {"loc": [*where], "msg": message, "type": "value_error"} for where, message in problems
        ],
    )


def _problems(error: Exception) -> Sequence[tuple[Location, str]]:
    match error:
        case InvalidConfiguration():
            return [(("body", *each.path), str(each)) for each in error.problems]
        case BadBody():
            return [(("body",), each) for each in error.errors]
        case BadParameter():
            return [(("query",), str(error))]
        case _:
            return [(("body",), str(error))]
