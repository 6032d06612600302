"""What is done again and again in the background, and ends with nothing but its cancellation."""

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
    """Call `once` for ever, each time after `pause()` seconds, and break it off after `limit` s.

    What it raises is what it has not foreseen: it is logged as "`what` failed", and the next round
    goes on. Only a cancellation ends it.
    """
    while True:
        await asyncio.sleep(pause())
        bound = asyncio.timeout(limit)
        try:
            async with bound:
                await once()
        except asyncio.CancelledError:
            # Of something that was awaited, and not of this task.
            if _is_told_to_end():
                raise
            logger.exception("%s was cancelled from within", what)
        except Exception:
            if bound.expired():
                logger.warning("%s had not ended after %g s", what, limit)
            else:
                logger.exception("%s failed", what)


def _is_told_to_end() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
