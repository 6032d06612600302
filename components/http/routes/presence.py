"""Whether whoever asks is still there."""

import asyncio

from aiohttp import web

LOOK_SECONDS = 1.0
"""How often it is looked whether a client that waits is there."""


def is_there(request: web.Request) -> bool:
    """Whether the connection of a request is open, so that somebody may read the answer."""
    return request.transport is not None and not request.transport.is_closing()


async def gone(request: web.Request) -> None:
    """Return once the client has gone. Nothing is cancelled: what it asked to change goes on."""
    while is_there(request):  # noqa: ASYNC110 - aiohttp tells nobody when a client goes
        await asyncio.sleep(LOOK_SECONDS)
