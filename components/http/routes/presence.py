"""Whether a client is still connected."""

import asyncio

from aiohttp import web

POLL_SECONDS = 1.0
"""How often the connection of a waiting client is checked."""


def is_connected(request: web.Request) -> bool:
    """Whether the connection of a request is open, so that the client can read the response."""
    return request.transport is not None and not request.transport.is_closing()


async def wait_for_disconnect(request: web.Request) -> None:
    """Return once the client has disconnected. Nothing is cancelled: its changes continue."""
    while is_connected(request):  # noqa: ASYNC110 - aiohttp has no event for it
        await asyncio.sleep(POLL_SECONDS)
