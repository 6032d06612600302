"""Running the service until it is told to stop."""

import asyncio
import logging
import signal

from aiohttp import web
from aiohttp.typedefs import Handler

from components.http.app import create_app
from components.settings import Settings

logger = logging.getLogger(__name__)

# Together, and with what closing takes, they stay within the ten seconds that we promise: aiohttp
# waits twice, for handlers to end by themselves and then for the cancelled ones.
DRAIN_SECONDS = 5.0
CANCEL_SECONDS = 1.0

_ACCESS_LOG = '%a "%r" %s %b %Tfs'


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


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then stop accepting, finish what is in flight, and return.

    Raises `SettingsError`, and `OSError` where the address cannot be listened on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app, in_flight = create_app(settings), InFlight()
    in_flight.watch(app)
    runner = web.AppRunner(app, access_log_format=_ACCESS_LOG, shutdown_timeout=CANCEL_SECONDS)
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        for address in runner.addresses:
            host, port = address[:2]
            logger.info("listening on http://%s:%s", f"[{host}]" if ":" in host else host, port)
        await stop.wait()
        logger.info("stopping")
        await site.stop()
        await _drain(in_flight)
    finally:
        await runner.cleanup()


async def _drain(in_flight: InFlight) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await in_flight.none.wait()
    except TimeoutError:
        logger.warning("%s requests have not ended and are cut off", in_flight.number)
