"""The faults of a run, each kind at random times given by the seed."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random

from tests.chaos.world import DEPLOYMENT_TIMEOUT, INSTANCES, LAUNCH_SECONDS, World, stopped

WRONG_BY = timedelta(hours=1)
OUTAGE_SECONDS = (46.0, 50.0)
"""Longer than every limit of a run."""


class Faults:
    """The faults of a run, and the number of each."""

    def __init__(self, world: World, seed: int) -> None:
        self._world, self._seed = world, seed
        self.done: Counter[str] = Counter()
        self._in_hand = [asyncio.Lock() for _ in range(INSTANCES)]

    async def disturb(self, seconds: float) -> None:
        """Inject all kinds of faults for some time; then end them all, and complete the upgrade."""
        self._world.misbehave(bad=True)
        kinds: tuple[tuple[Callable[[Random], Awaitable[None]], float, float], ...] = (
            (self._kill, 2, 8),
            (self._suspend, 8, 20),
            (self._pause, 15, 30),
            (self._date, 10, 30),
            (self._outage, 60, 200),
        )
        until = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as group:
            for kind, least, most in kinds:
                random = Random(f"{self._seed} {kind.__name__}")
                group.create_task(self._repeat(kind, random, least, most, until))
        await self._world.mend()
        for number in range(INSTANCES):
            async with self._in_hand[number]:
                await self._world.upgrade(number)

    async def _repeat(
        self,
        kind: Callable[[Random], Awaitable[None]],
        random: Random,
        least: float,
        most: float,
        until: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() + (pause := random.uniform(least, most)) < until:
            await asyncio.sleep(pause)
            await kind(random)

    async def _kill(self, random: Random) -> None:
        number = random.randrange(INSTANCES)
        async with self._in_hand[number]:
            await self._world.end(number)
            self.done["instances killed"] += 1
            await asyncio.sleep(random.uniform(0, 3))
            await self._world.launch(number)

    async def _suspend(self, random: Random) -> None:
        self.done["times the API server was suspended"] += 1
        self._world.server.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(random.uniform(1, 6))
        finally:
            self._world.server.signal(signal.SIGCONT)

    async def _pause(self, random: Random) -> None:
        """Pause an instance for longer than its claims last, but shorter than outcomes stay
        unknown."""
        number = random.randrange(INSTANCES)
        async with self._in_hand[number]:
            process = self._world.instances[number]
            if process is not None:
                self.done["instances paused for longer than a launch may take"] += 1
                async with stopped(process):
                    await asyncio.sleep(LAUNCH_SECONDS + random.uniform(1, 4))

    async def _date(self, random: Random) -> None:
        number = random.randrange(INSTANCES)
        # The clock of the last instance is ahead as much: two clocks that agree would be trusted.
        ahead = number < INSTANCES - 1 and random.random() < 0.5
        self.done["times one API server reported a wrong time"] += 1
        self._world.links[number].off = WRONG_BY if ahead else -WRONG_BY
        await asyncio.sleep(random.uniform(5, 20))
        self._world.links[number].off = timedelta()

    async def _outage(self, random: Random) -> None:
        self.done[f"outages of the builds service, of more than {DEPLOYMENT_TIMEOUT} s"] += 1
        seconds = random.uniform(*OUTAGE_SECONDS)
        # A paused process would execute its queue of requests later than allowed.
        await self._world.call_builds_service("PUT", f"away/{seconds}")
        await asyncio.sleep(seconds)
