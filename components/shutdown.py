"""How the service stops: nothing new is begun, and what was begun has its time.

In this order: it says that it is not ready, and begins to move no deployment on; it accepts no
connection; it answers what comes over those that are kept, and ends each with its answer; what was
begun with the builder ends by itself or is given back. Only then everything is closed.
"""

import asyncio
import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from components.http.keys import BACKGROUND, ENGINE, REFRESHER, STOPPING
from components.http.server.listener import Listener

logger = logging.getLogger(__name__)

KEPT_SECONDS = 2.0
"""How long a connection that is idle may still bring a request, which is then its last."""

DRAIN_SECONDS = 5.0
"""How long requests may take to end by themselves, from the beginning."""

CANCEL_SECONDS = 1.0
"""How long a request may take to end, and then once more, when it is broken off."""

CLOSING_SECONDS = 8.0
"""What is left at the end: breaking off requests, giving claims back, leaving the members."""


class InFlight:
    """Counts the requests that are being handled; `none` is set while there are none.

    aiohttp drops what still arrives of a body once it shuts down, so that is not begun before
    these have ended.
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


async def wind_down(
    app: web.Application, listener: Listener, in_flight: InFlight, seconds: float
) -> None:
    """Bring what is under way to its end, so that all, closing included, is within `seconds`."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    until = began + max(seconds - CLOSING_SECONDS, 0)
    app[STOPPING].set()
    app[BACKGROUND].drain()
    await listener.stop()
    try:
        async with asyncio.timeout_at(min(began + KEPT_SECONDS, until)):
            await listener.left.wait()
    except TimeoutError:
        logger.info("connections that are kept are closed")
    try:
        async with asyncio.timeout_at(min(began + DRAIN_SECONDS, until)):
            await in_flight.none.wait()
    except TimeoutError:
        logger.warning("%s requests have not ended and are cut off", in_flight.number)
    await app[REFRESHER].close(until - loop.time())
    await app[ENGINE].tasks.close(until - loop.time())
