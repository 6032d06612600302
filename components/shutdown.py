"""Graceful shutdown: nothing new starts, and running requests and launches may finish.

In this order: the service reports that it is not ready, and reconciles no further deployments. It
accepts no connections. It answers one more request on each keep-alive connection, and closes it.
Launches finish or release their claims. Then everything is closed.
"""

import asyncio
import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from components.http.keys import BACKGROUND, ENGINE, REFRESHER, STOPPING
from components.http.server.listener import Listener

logger = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 2.0
"""How long an idle keep-alive connection may still send a last request."""

DRAIN_SECONDS = 5.0
"""How long running requests may take to finish, from the start of the shutdown."""

CANCEL_SECONDS = 1.0
"""How long a request may take to end; after cancellation it gets the same time again."""

CLOSING_SECONDS = 8.0
"""The time reserved for the end: cancelling requests, releasing claims, leaving the members."""


class InFlight:
    """Counts the requests that are being handled; `none` is set while there are none.

    Once aiohttp shuts down, it drops the rest of request bodies. So its shutdown starts only after
    these requests.
    """

    def __init__(self) -> None:
        self.number = 0
        self.none = asyncio.Event()
        self.none.set()

    def watch(self, app: web.Application) -> None:
        """Count the requests of `app`."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.number += 1
            self.none.clear()
            try:
                return await handler(request)
            finally:
                self.number -= 1
                if not self.number:
                    self.none.set()

        app.middlewares.insert(0, count)


async def shut_down(
    app: web.Application, listener: Listener, in_flight: InFlight, seconds: float
) -> None:
    """Stop the service gracefully, within `seconds` including the time to close everything."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    deadline = began + max(seconds - CLOSING_SECONDS, 0)
    app[STOPPING].set()
    app[BACKGROUND].drain()
    await listener.stop()
    try:
        async with asyncio.timeout_at(min(began + KEEP_ALIVE_SECONDS, deadline)):
            await listener.left.wait()
    except TimeoutError:
        logger.info("closing idle keep-alive connections")
    try:
        async with asyncio.timeout_at(min(began + DRAIN_SECONDS, deadline)):
            await in_flight.none.wait()
    except TimeoutError:
        logger.warning("%s requests have not ended and are cut off", in_flight.number)
    await app[REFRESHER].close(deadline - loop.time())
    await app[ENGINE].tasks.close(deadline - loop.time())
