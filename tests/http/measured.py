"""The service in a process that measures itself: `python -m tests.http.measured [memory]`.

It prints its port, and then responds to each line of its input: to `begin` with an empty line, to
`end` with the measurement since. With `memory`, that is the peak of additional memory in bytes.
Otherwise it is the longest time between two ticks of a task in the loop, in seconds. The time is
the processor time of all threads. So it excludes other processes, and includes a thread that holds
the GIL.
"""

import asyncio
import gc
import sys
import time
import tracemalloc

from aiohttp import web

from components.http.app import create_app
from components.serve import freeze_objects
from components.settings import Settings

TICK_SECONDS = 0.001


class Clock:
    """Ticks in the loop, and measures the longest time between two ticks."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.last = time.process_time()
        self.ticked = asyncio.Event()

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            now = time.process_time()
            self.longest, self.last = max(self.longest, now - self.last), now
            self.ticked.set()
            await asyncio.sleep(TICK_SECONDS)

    async def begin(self) -> str:
        """Reset the measurement."""
        await self._tick()
        self.longest = 0.0
        return ""

    async def end(self) -> str:
        """Return the longest time between two ticks since."""
        await self._tick()
        return str(self.longest)

    async def _tick(self) -> None:
        for _ in range(2):  # the first may have begun before the measured request has ended
            self.ticked.clear()
            await self.ticked.wait()


class Memory:
    """Measures the peak of memory in use."""

    def __init__(self) -> None:
        tracemalloc.start()
        self.before = 0

    async def begin(self) -> str:
        """Reset the measurement."""
        gc.collect()
        tracemalloc.reset_peak()
        self.before, _ = tracemalloc.get_traced_memory()
        return ""

    async def end(self) -> str:
        """Return the peak of additional memory since."""
        _, most = tracemalloc.get_traced_memory()
        return str(most - self.before)


async def main() -> None:
    """Serve until the standard input ends."""
    runner = web.AppRunner(
        create_app(Settings(writes_per_minute=0, toolforge_api=True)), access_log=None
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    freeze_objects()
    print(runner.addresses[0][1], flush=True)
    asked = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(asked)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    clock = Clock()
    meter = Memory() if "memory" in sys.argv else clock
    ticking = asyncio.create_task(clock.run())
    while line := (await asked.readline()).strip():
        print(await (meter.begin() if line == b"begin" else meter.end()), flush=True)
    ticking.cancel()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
