"""A process that dies at any call in a run phase: another instance brings it to its end."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from random import Random

import pytest

from backends.runners.base import Fence, Health, Running, RunRequest
from backends.stores.base import Document, DocumentState, JsonObject, StoreError, Unavailable
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.errors import EngineError
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.engine.runs.conftest import finish, stepped
from tests.factories import TOOL, configuration
from tests.runners.scripted import ScriptedRunner
from tests.stores.counting import CountingStore

BROKEN = (Health.FAILED, "crashes")


class Death:
    """Counts the calls of a process; at one of them the process stands still until it is killed."""

    def __init__(self) -> None:
        self.calls = 0
        self.at: int | None = None
        self.came = asyncio.Event()
        self.killed = False

    async def pass_(self) -> None:
        """Return, or never."""
        self.calls += 1
        if self.calls == self.at:
            self.came.set()
            await asyncio.Event().wait()

    def check(self) -> None:
        """Raise `Unavailable` in a process that was killed: it says nothing any more."""
        if self.killed:
            raise Unavailable("killed")


class DyingStore(CountingStore):
    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.death = Death()

    async def _count(self, name: str) -> None:
        self.death.check()
        await super()._count(name)
        await self.death.pass_()

    async def replace(self, document: Document, data: JsonObject, state: DocumentState) -> Document:
        written = await super().replace(document, data, state)
        await self.death.pass_()
        return written


class DyingRunner(ScriptedRunner):
    def __init__(self, clock: HandClock, death: Death) -> None:
        super().__init__(clock)
        self.death = death

    async def list(self, tool: str) -> Mapping[str, Running]:
        await self.death.pass_()
        return await super().list(tool)

    async def apply(self, request: RunRequest, running: Running | None) -> None:
        await self.death.pass_()
        await super().apply(request, running)
        await self.death.pass_()

    async def remove(self, tool: str, running: Running, fence: Fence | None = None) -> None:
        await self.death.pass_()
        await super().remove(tool, running, fence)
        await self.death.pass_()


class World:
    """A tool whose first version runs, and whose second one is deployed."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.store = DyingStore(self.clock)
        self.death = self.store.death
        self.runner = DyingRunner(self.clock, self.death)
        self.builder = ScriptedBuilder()
        self.engine = self._instance("one")

    def _instance(self, name: str) -> Engine:
        return Engine(
            self.store,
            self.builder,
            deployments_kept=9,
            builder_timeout=15,
            random=Random(1),
            runner=self.runner,
            instance=name,
        )

    async def deploy(self, *names: str, steps: int) -> Deployment:
        await set_configuration(self.engine, TOOL, configuration(*names))
        self.clock.turn(1)
        request = DeployRequest(force_build=True)
        made = (await create_deployment(self.engine, TOOL, request)).value
        finish(self.builder)
        return await stepped(self.engine, made, steps)

    async def until_death(self, deployment: Deployment, at: int | None) -> int:
        """Reconcile a deployment until it is settled or the process dies; return the calls."""
        self.death.calls, self.death.at = 0, at
        task = asyncio.create_task(stepped(self.engine, deployment, 8))
        death = asyncio.create_task(self.death.came.wait())
        await asyncio.wait((task, death), return_when=asyncio.FIRST_COMPLETED)
        self.death.killed = not task.done()
        for each in (task, death):
            each.cancel()
        with suppress(StoreError, EngineError):
            await asyncio.gather(task, death, return_exceptions=True)
        await self.engine.tasks.close()
        self.death.at, self.death.killed = None, False
        return self.death.calls

    async def finished_by_another(self, deployment: Deployment) -> Deployment:
        """Return the deployment after another instance has looked after it for a while."""
        engine = replace(self._instance("another"))
        for _ in range(12):
            self.clock.turn(61)
            deployment = (await show_deployment(engine, TOOL, deployment.id)).value
        return deployment

    async def images(self) -> dict[str, str]:
        listing = await self.runner.list(TOOL)
        return {name: each.wanted.image for name, each in listing.items() if each.wanted}


async def world(*, breaks: bool) -> tuple[World, Deployment, dict[str, str], str]:
    """Return a world in which the second version is built, what ran before, and its new image."""
    made = World()
    await made.deploy("web", "old", steps=5)
    before = await made.images()
    second = await made.deploy("web", "new", steps=1)
    image = second.builds["web"].image or ""
    if breaks:
        made.runner.health[image] = BROKEN
    return made, second, before, image


@pytest.mark.parametrize("breaks", [False, True], ids=["finishes", "is put back"])
async def test_whichever_call_a_process_dies_at_another_one_brings_it_to_its_end(
    breaks: bool,
) -> None:
    one, deployment, _, _ = await world(breaks=breaks)
    calls = await one.until_death(deployment, None)
    assert calls > 20
    for at in range(1, calls + 1):
        each, deployment, before, image = await world(breaks=breaks)
        await each.until_death(deployment, at)
        deployment = await each.finished_by_another(deployment)
        assert deployment.is_settled, at
        if breaks:
            assert deployment.status is DeploymentStatus.ERROR, at
            assert await each.images() == before, at
        else:
            assert deployment.status is DeploymentStatus.FINISHED, at
            images = await each.images()
            assert images.keys() == {"web", "new"}, at
            assert images["web"] == image, at
