"""Running the service until it receives SIGTERM or SIGINT."""

import asyncio
import gc
import logging
import signal
from contextlib import AsyncExitStack

from aiohttp import web
from yarl import URL

from backends.supervision import supervised
from components.caller_secret import stored_secret
from components.http.app import create_app, create_probe_app
from components.http.keys import CALLER_SECRET, ENGINE
from components.http.server.access_log import AccessLog
from components.http.server.listener import Listener
from components.settings import Settings
from components.shutdown import CANCEL_SECONDS, InFlight, shut_down

logger = logging.getLogger(__name__)

TLS_CHECK_SECONDS = 5.0
"""How often the TLS files are checked for changes; a mounted Secret sends no notification."""


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then finish running requests and launches, and return.

    Raises `SettingsError`, and `OSError` if an address or a TLS file cannot be used.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app, in_flight = create_app(settings), InFlight()
    in_flight.watch(app)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app, shutdown_timeout=CANCEL_SECONDS)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        listener = Listener(runner, settings, access_log_class=AccessLog)
        stack.push_async_callback(listener.stop)
        url = await listener.start()
        if settings.probe_port is not None:
            await _start_probes(app, settings, stack)
        if app[ENGINE].builder.runs_here and not settings.tls:
            port = URL(url).port or settings.port
            file = stack.enter_context(stored_secret(port, app[CALLER_SECRET]))
            logger.info("builds run on this machine: callers must send the secret in %s", file)
        freeze_objects()
        logger.info("listening on %s", url)
        renewal = supervised("checking the TLS files", listener.renew, lambda: TLS_CHECK_SECONDS)
        stack.callback(asyncio.create_task(renewal).cancel)
        await stop.wait()
        logger.info("stopping")
        await shut_down(app, listener, in_flight, settings.stop_timeout)


def freeze_objects() -> None:
    """Exclude all present objects from later garbage collections, which block the event loop."""
    gc.collect()
    gc.freeze()


async def _start_probes(app: web.Application, settings: Settings, stack: AsyncExitStack) -> None:
    """Serve the health checks on a separate plain-text port, until everything else has stopped."""
    runner = web.AppRunner(create_probe_app(app), shutdown_timeout=0.1)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    listener = Listener(runner, settings.for_probes(), access_log=None)
    stack.push_async_callback(listener.stop)
    logger.info("health checks on %s", await listener.start())
