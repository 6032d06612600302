"""Background loops that only a cancellation ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

logger = logging.getLogger(__name__)


async def supervised(
    what: str,
    once: Callable[[], Awaitable[object]],
    pause: Callable[[], float],
    limit: float | None = None,
) -> NoReturn:
    """Call `once` forever, each time after `pause()` seconds, and abort it after `limit` seconds.

    An unexpected error is logged as "`what` failed", and the loop continues. Only a cancellation
    ends it.
    """
    while True:
        await asyncio.sleep(pause())
        bound = asyncio.timeout(limit)
        try:
            async with bound:
                await once()
        except asyncio.CancelledError:
            # Something awaited was cancelled, not this task.
            if _is_cancelled():
                raise
            logger.exception("%s was cancelled from within", what)
        except Exception:
            if bound.expired():
                logger.warning("%s was aborted after %g s", what, limit)
            else:
                logger.exception("%s failed", what)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
