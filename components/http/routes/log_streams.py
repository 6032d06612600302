"""Streams the lines of a log as plain text, without an envelope."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator

from aiohttp import web
from marshmallow import Schema

from backends.errors import BackendError
from backends.stores.base import StoreError
from components.engine.errors import EngineError
from components.http.errors import Stopping
from components.http.keys import DEADLINE, SETTINGS, STOPPING
from components.http.requests.queries import Switch
from components.http.routes.presence import wait_for_disconnect

logger = logging.getLogger(__name__)


class LogQuery(Schema):
    """Whether to follow a log."""

    follow = Switch(
        load_default=False,
        metadata={"description": "Send new lines until the end, instead of only those until now."},
    )


async def stream(request: web.Request, lines: AsyncIterator[str]) -> web.StreamResponse:
    """Stream a log. An error before the first line gets a response; a later one cuts the stream."""
    response = web.StreamResponse()
    response.content_type, response.charset = "text/plain", "utf-8"
    streaming = asyncio.create_task(_stream(request, response, lines))
    ends = (
        asyncio.create_task(request.app[STOPPING].wait()),
        # If a build prints nothing for long, no write would fail after the client has gone.
        asyncio.create_task(wait_for_disconnect(request)),
    )
    try:
        await asyncio.wait((streaming, *ends), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in ends:
            each.cancel()
        if not streaming.done():
            streaming.cancel()
            await asyncio.wait((streaming,))
    if not streaming.cancelled():
        return streaming.result()
    if not response.prepared:
        raise Stopping
    return _cut(request, response)


async def _stream(
    request: web.Request, response: web.StreamResponse, lines: AsyncIterator[str]
) -> web.StreamResponse:
    timeout = request.app[SETTINGS].request_timeout
    first = asyncio.ensure_future(anext(lines, None))
    try:
        # If a build prints nothing for long, the response must begin all the same.
        await asyncio.wait((first,), timeout=timeout / 2)
        if first.done():
            first.result()
        request[DEADLINE].reschedule(None)
        await response.prepare(request)
        line = await first
        while line is not None:
            # A client that has stopped reading must not hold the log for ever.
            async with asyncio.timeout(timeout):
                await response.write(line.encode("utf-8", "replace") + b"\n")
            line = await anext(lines, None)
    except (BackendError, EngineError, StoreError, TimeoutError, ConnectionError) as error:
        if not response.prepared:
            raise
        logger.warning("the log %s was interrupted: %s", request.path, str(error) or "no client")
        return _cut(request, response)
    finally:
        first.cancel()
        await asyncio.wait((first,))
        if isinstance(lines, AsyncGenerator):
            await lines.aclose()
    await response.write_eof()
    return response


def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close without the last chunk, so that the client sees an incomplete response."""
    if request.transport:
        request.transport.close()
    return response
