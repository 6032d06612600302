"""Limits of a request: one deadline for all of it, and known query parameters only."""

import asyncio
from collections.abc import Iterable
from typing import Any, NoReturn

from aiohttp import web
from aiohttp.typedefs import Handler
from marshmallow import Schema, ValidationError

from components.http.errors import BadParameter, DeadlineExceeded, UnknownParameter
from components.http.keys import DEADLINE, SETTINGS


@web.middleware
async def deadline_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Cancel a request after the request timeout. Raises `DeadlineExceeded`."""
    seconds = request.app[SETTINGS].request_timeout
    try:
        async with asyncio.timeout(seconds) as deadline:
            request[DEADLINE] = deadline
            return await handler(request)
    except TimeoutError:
        if deadline.expired():
            raise DeadlineExceeded(seconds) from None
        raise


@web.middleware
async def parameters_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reject query parameters that the route does not document. Raises `UnknownParameter`."""
    known = set(_query_parameters(request.match_info.handler))
    for name in request.query:
        if request.match_info.http_exception is None and name not in known:
            raise UnknownParameter(name, known)
    return await handler(request)


def _query_parameters(handler: Any) -> Iterable[str]:
    """Yield the names in a handler's querystring schema, where apigami's decorators store it."""
    for each in getattr(handler, "__schemas__", ()):
        if each.location in ("query", "querystring"):
            for name, field in each.schema.fields.items():
                yield field.data_key or name


def refuse_parameters(
    error: ValidationError, request: web.Request, schema: Schema, **_: Any
) -> NoReturn:
    """Raise `BadParameter` with the errors of webargs: apigami's error callback."""
    messages: dict[str, dict[str, list[str]]] = error.normalized_messages()  # type: ignore[no-untyped-call]
    raise BadParameter(
        "; ".join(
            f"{name}: {' '.join(found)}"
            for fields in messages.values()
            for name, found in fields.items()
        )
    )
