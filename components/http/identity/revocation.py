"""Requests that stay open end once the token that opened them is not valid any more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from backends.stores.base import StoreError
from components.engine.errors import EngineError
from components.engine.tokens.errors import BadToken
from components.http.errors import TooManyRequests
from components.http.identity.identification import identify
from components.http.identity.origins import SAFE_METHODS
from components.http.keys import SETTINGS

CHECK_SECONDS = 10.0
"""How often the token of an open request is checked; more often with a short request timeout."""


@asynccontextmanager
async def closed_when_revoked(request: web.Request) -> AsyncIterator[None]:
    """Check the token of a request while it is handled; close its connection if it is not valid.

    Its handler then ends as it does for any client that has gone. A request that changes something
    runs to its end.
    """
    if request.method not in SAFE_METHODS:
        yield
        return
    checking = asyncio.create_task(_check(request))
    try:
        yield
    finally:
        checking.cancel()
        await asyncio.wait((checking,))


async def _check(request: web.Request) -> None:
    seconds = min(CHECK_SECONDS, request.app[SETTINGS].request_timeout / 2)
    while True:
        await asyncio.sleep(seconds)
        try:
            async with asyncio.timeout(seconds):
                await identify(request)
        except BadToken:
            if request.transport is not None:
                request.transport.close()
            return
        except (StoreError, EngineError, TooManyRequests, TimeoutError):
            continue  # whether it is valid is not known now
