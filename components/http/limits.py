"""What a request may take and ask: one deadline for all that it does, and known parameters only."""

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NoReturn

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiolimiter import AsyncLimiter
from marshmallow import Schema, ValidationError

from components.http.errors import (
    BadParameter,
    DeadlineExceeded,
    TooManyWrites,
    UnknownParameter,
)
from components.http.keys import DEADLINE, SETTINGS

_TOOLS = 100_000
"""Of how many tools it is known how often they write."""


@web.middleware
async def deadline_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """End a request that takes longer than the settings allow. Raises `DeadlineExceeded`."""
    seconds = request.app[SETTINGS].request_timeout
    try:
        async with asyncio.timeout(seconds) as deadline:
            request[DEADLINE] = deadline
            return await handler(request)
    except TimeoutError:
        if deadline.expired():
            raise DeadlineExceeded(seconds) from None
        raise


def writes_middleware(per_minute: int) -> Middleware:
    """Return a middleware that lets each tool write so often, on this instance; 0 is any number.

    As many may come at once, and then one in each share of a minute. Raises `TooManyWrites`.
    """
    # One that is forgotten was not used for long, so that it would be full again.
    bucket_of = lru_cache(_TOOLS)(lambda tool: AsyncLimiter(per_minute, 60))

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        tool = request.match_info.get("toolname")
        if per_minute and tool and request.method not in ("GET", "HEAD", "OPTIONS"):
            bucket = bucket_of(tool)
            if not bucket.has_capacity():
                raise TooManyWrites(per_minute)
            await bucket.acquire()
        return await handler(request)

    return limit


@web.middleware
async def parameters_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse query parameters that the route does not document. Raises `UnknownParameter`."""
    known = set(_query_parameters(request.match_info.handler))
    for name in request.query:
        if request.match_info.http_exception is None and name not in known:
            raise UnknownParameter(name, known)
    return await handler(request)


def _query_parameters(handler: Any) -> Iterable[str]:
    """Yield the names in a handler's querystring schema, where apigami's decorators put it."""
    for each in getattr(handler, "__schemas__", ()):
        if each.location in ("query", "querystring"):
            for name, field in each.schema.fields.items():
                yield field.data_key or name


def refuse_parameters(
    error: ValidationError, request: web.Request, schema: Schema, **_: Any
) -> NoReturn:
    """Raise `BadParameter` with what webargs found. The error callback of apigami's middleware."""
    messages: dict[str, dict[str, list[str]]] = error.normalized_messages()  # type: ignore[no-untyped-call]
    raise BadParameter(
        "; ".join(
            f"{name}: {' '.join(found)}"
            for fields in messages.values()
            for name, found in fields.items()
        )
    )
