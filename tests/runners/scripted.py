"""A runner that does as a test tells it: for tests of what stands on runners."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from random import Random

from backends.runners.base import (
    Fence,
    Health,
    Origin,
    RunnerUnavailable,
    Running,
    RunRequest,
    Superseded,
    Wanted,
)
from backends.runners.simulated import SimulatedRunner
from tests.conftest import NOON, HandClock


class ScriptedRunner(SimulatedRunner):
    """Runs everything at once; `health` by component, and then by the image, says how it does.

    `refusals` by component and `outage` say what fails, `drift` what somebody has changed; what
    `stays` takes its time to be removed, and what is `late` is applied when `arrive` says so, and
    nobody is told. `before` and `after` map the name of a method to a function that is called once
    before, or after, it. The requests and counters say what was asked. With an `order`, calls pass
    in a random one.
    """

    notice = ""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(0, clock)
        self.clock = clock
        self.health: dict[str, tuple[Health, str]] = {}
        self.drift: dict[str, tuple[str, ...]] = {}
        self.refusals: dict[str, Exception] = {}
        self.stays: set[str] = set()
        self.late: set[str] = set()
        self._sent: list[RunRequest] = []
        self.before: dict[str, Callable[[], Awaitable[object]]] = {}
        self.after: dict[str, Callable[[], Awaitable[object]]] = {}
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
        if request.component in self.late:
            self._sent.append(request)
            raise RunnerUnavailable("timed out")
        self.applied.append(request)
        await super().apply(request, running)
        if "apply" in self.after:
            await self.after.pop("apply")()

    async def remove(self, tool: str, running: Running, fence: Fence | None = None) -> None:
        await self._pass("remove")
        self.removed.append(running.component)
        if running.component not in self.stays:
            await super().remove(tool, running, fence)

    async def ping(self) -> None:
        await self._pass("ping")

    async def arrive(self) -> None:
        """Let what is late be applied."""
        while self._sent:
            with suppress(Superseded):
                await super().apply(self._sent.pop(0), None)

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
        if name in self.before:
            await self.before.pop(name)()


class UnmarkedRunner(ScriptedRunner):
    """The same, on a platform that keeps no marks: of what runs, only what it runs is known.

    Requests are carried out in the order in which they arrive.
    """

    marks = False

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self._carried_out = 0

    async def list(self, tool: str) -> Mapping[str, Running]:
        return {name: _unmarked(each) for name, each in (await super().list(tool)).items()}

    async def apply(self, request: RunRequest, running: Running | None) -> None:
        await super().apply(self._latest(request), running)

    async def remove(self, tool: str, running: Running, fence: Fence | None = None) -> None:
        await super().remove(tool, running)

    def differences(self, running: Running, wanted: Wanted) -> tuple[str, ...]:
        there = running.wanted
        same = there is not None and (there.image, there.spec) == (wanted.image, wanted.spec)
        return () if same else ("something",)

    async def put(self, tool: str, component: str, wanted: Wanted) -> None:
        """Let somebody else make what runs."""
        request = RunRequest(tool, component, wanted, Origin("somebody"), Fence(NOON, ""))
        await SimulatedRunner.apply(self, self._latest(request), None)

    async def arrive(self) -> None:
        self._sent = [self._latest(each) for each in self._sent]
        await super().arrive()

    def _latest(self, request: RunRequest) -> RunRequest:
        self._carried_out += 1
        return replace(request, fence=Fence(NOON, f"{self._carried_out:09}"))


def _unmarked(running: Running) -> Running:
    wanted = running.wanted and replace(running.wanted, revision="")
    return replace(running, wanted=wanted, origin=None, fence=None, marked=False)
