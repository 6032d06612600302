"""How long others are kept waiting: the longest time for which an event loop did something else."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gaps:
    """The longest gap so far, in seconds of the loop's own work: what else the machine does is not
    counted.
    """

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

    # What the tests have left behind is not looked through again and again meanwhile.
    gc.collect()
    gc.freeze()
    task = asyncio.create_task(tick())
    try:
        yield gaps
    finally:
        task.cancel()
        await asyncio.wait((task,))
        gc.unfreeze()
