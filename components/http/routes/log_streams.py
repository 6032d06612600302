"""Answering the lines of a log as they come: plain text, not in an envelope."""

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
from components.http.routes.presence import gone

logger = logging.getLogger(__name__)


class LogQuery(Schema):
    """How much of a log is wanted."""

    follow = Switch(
        load_default=False,
        metadata={"description": "Send lines as they come until the end, instead of until now."},
    )


async def stream(request: web.Request, lines: AsyncIterator[str]) -> web.StreamResponse:
    """Stream a log. An error before the first line is answered as errors are; later ones cut it."""
    response = web.StreamResponse()
    response.content_type, response.charset = "text/plain", "utf-8"
    streaming = asyncio.create_task(_stream(request, response, lines))
    ends = (
        asyncio.create_task(request.app[STOPPING].wait()),
        # A build may say nothing for long, and nobody would notice that its reader has gone.
        asyncio.create_task(gone(request)),
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
    patience = request.app[SETTINGS].request_timeout
    first = asyncio.ensure_future(anext(lines, None))
    try:
        # A build may say nothing for long, and nobody waits for ever for an answer to begin.
        await asyncio.wait((first,), timeout=patience / 2)
        if first.done():
            first.result()
        request[DEADLINE].reschedule(None)
        await response.prepare(request)
        line = await first
        while line is not None:
            # A reader who has stopped reading does not hold the log for ever either.
            async with asyncio.timeout(patience):
                await response.write(line.encode("utf-8", "replace") + b"\n")
            line = await anext(lines, None)
    except (BackendError, EngineError, StoreError, TimeoutError, ConnectionError) as error:
        if not response.prepared:
            raise
        logger.warning("the log %s broke off: %s", request.path, str(error) or "its reader is gone")
        return _cut(request, response)
    finally:
        first.cancel()
        await asyncio.wait((first,))
        if isinstance(lines, AsyncGenerator):
            await lines.aclose()
    await response.write_eof()
    return response


def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """End an answer so that its reader sees that it is not whole: without its last chunk."""
    if request.transport:
        request.transport.close()
    return response
