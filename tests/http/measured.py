"""The service as a process that measures itself: `python -m tests.http.measured [memory]`.

It prints its port, and then answers each line that it is sent: `begin` by an empty line, `end` by
what happened since. With `memory`, that is the most that was allocated beyond what was there, in
bytes; else the longest time between two ticks of a task in the loop, in seconds. The time is that
of the processor, for all threads of the process: what others do on the machine is not in it, and
a thread that lets nobody else run is.
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
    """Ticks in the loop, and knows the longest time between two ticks."""

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
        """Forget what was."""
        await self._tick()
        self.longest = 0.0
        return ""

    async def end(self) -> str:
        """Return the longest time between two ticks since."""
        await self._tick()
        return str(self.longest)

    async def _tick(self) -> None:
        for _ in range(2):  # the first may have begun before whatever is measured has ended
            self.ticked.clear()
            await self.ticked.wait()


class Memory:
    """Knows the most memory that has been in use."""

    def __init__(self) -> None:
        tracemalloc.start()
        self.before = 0

    async def begin(self) -> str:
        """Forget what was."""
        gc.collect()
        tracemalloc.reset_peak()
        self.before, _ = tracemalloc.get_traced_memory()
        return ""

    async def end(self) -> str:
        """Return how much more than before has been in use since."""
        _, most = tracemalloc.get_traced_memory()
        return str(most - self.before)


async def main() -> None:
    """Serve until the standard input ends."""
    runner = web.AppRunner(create_app(Settings(writes_per_minute=0)), access_log=None)
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
