"""Measures the longest time for which the event loop is blocked."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gaps:
    """The longest gap so far, in seconds of processor time of the loop's thread."""

    def __init__(self) -> None:
        self.longest = 0.0


@asynccontextmanager
async def ticking() -> AsyncIterator[Gaps]:
    """Measure the gaps between the ticks of a task that is always due."""
    gaps = Gaps()

    async def tick() -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            gaps.longest, last = max(gaps.longest, now - last), now

    # The objects of earlier tests must not slow down the garbage collector.
    gc.collect()
    gc.freeze()
    task = asyncio.create_task(tick())
    try:
        yield gaps
    finally:
        task.cancel()
        await asyncio.wait((task,))
        gc.unfreeze()
