"""A runner that takes time, and remembers what it has done: nothing must be done twice."""

from dataclasses import replace

from backends.runners.base import Fence, Health, Running, RunRejected, RunRequest, Wanted
from backends.runners.simulated import SimulatedRunner
from tests.conftest import HandClock
from tests.factories import TOOL

RUN_SECONDS = 1.5
FORBIDDEN = 9
"""A component with so many replicas is over the platform's quota."""


class PlatformRunner(SimulatedRunner):
    """Remembers which requests were carried out for each component, and which of them started it.

    `restarted` has the components that were started again while the same version was serving.
    """

    notice = ""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(RUN_SECONDS, clock)
        self.hand = clock
        self.quota = True
        self.carried_out: dict[str, list[Fence]] = {}
        self.started: list[tuple[str, Fence]] = []
        self.restarted: list[str] = []
        self._serving: dict[str, Wanted] = {}

    async def apply(self, request: RunRequest, running: Running | None) -> None:
        name = request.component
        if self.quota and request.wanted.spec.replicas == FORBIDDEN:
            raise RunRejected("exceeded quota")
        there = (await self.list(request.tool)).get(name)
        if there and there.wanted and there.health is Health.HEALTHY:
            self._serving[name] = there.wanted
        self.hand.turn(0.001)  # what is started now has a time of its own
        await super().apply(request, running)
        self.carried_out.setdefault(name, []).append(request.fence)
        if (await self.list(request.tool))[name].started == self.hand():
            self.started.append((name, request.fence))
            serving = self._serving.get(name)
            if serving and replace(serving, revision=request.wanted.revision) == request.wanted:
                self.restarted.append(name)

    async def remove(self, tool: str, running: Running, fence: Fence | None = None) -> None:
        await super().remove(tool, running, fence)
        self._serving.pop(running.component, None)
        if fence:
            self.carried_out.setdefault(running.component, []).append(fence)

    async def lose(self, component: str) -> None:
        """Let somebody delete what runs."""
        await self.remove(TOOL, (await self.list(TOOL))[component])
