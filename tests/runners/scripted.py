"""A runner that does as a test tells it: for tests of what stands on runners."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random

from backends.runners.base import Fence, Health, Running, RunRequest
from backends.runners.simulated import SimulatedRunner
from tests.conftest import HandClock


class ScriptedRunner(SimulatedRunner):
    """Runs everything at once; `health` by component, and then by the image, says how it does.

    `refusals` by component and `outage` say what fails, `drift` what somebody has changed. The
    requests and counters say what was asked. With an `order`, calls pass in a random one.
    """

    notice = ""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(0, clock)
        self.clock = clock
        self.health: dict[str, tuple[Health, str]] = {}
        self.drift: dict[str, tuple[str, ...]] = {}
        self.refusals: dict[str, Exception] = {}
        self.outage: Exception | None = None
        self.applied: list[RunRequest] = []
        self.removed: list[str] = []
        self.calls: Counter[str] = Counter()
        self.order: Random | None = None

    async def list(self, tool: str) -> Mapping[str, Running]:
        await self._pass("list")
        return {name: self._seen(each) for name, each in (await super().list(tool)).items()}

    async def apply(self, request: RunRequest, running: Running | None) -> None:
        await self._pass("apply")
        if request.component in self.refusals:
            raise self.refusals[request.component]
        self.applied.append(request)
        await super().apply(request, running)

    async def remove(self, tool: str, running: Running, fence: Fence | None = None) -> None:
        await self._pass("remove")
        self.removed.append(running.component)
        await super().remove(tool, running, fence)

    async def ping(self) -> None:
        await self._pass("ping")

    def lose(self, tool: str, component: str) -> None:
        """Let somebody delete what runs."""
        del self._components[tool, component]

    def _seen(self, running: Running) -> Running:
        image = running.wanted.image if running.wanted else ""
        health, message = self.health.get(
            running.component, self.health.get(image, (running.health, running.message))
        )
        drift = self.drift.get(running.component, ())
        return replace(running, health=health, message=message, drift=drift)

    async def _pass(self, name: str) -> None:
        self.calls[name] += 1
        for _ in range(self.order.randrange(8) if self.order else 0):
            await asyncio.sleep(0)  # lets others go first
        if self.outage:
            raise self.outage
