"""A process may be killed between any two calls: what runs is what was deployed last."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

import pytest

from backends.runners.base import Health, Wanted
from backends.status import Status
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.model import DeploymentStatus
from components.engine.deployments.operations import list_deployments
from components.engine.runs.model import RunAction
from components.engine.runs.wanted import wanted_of
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.engine.runs.conftest import finish
from tests.engine.runs.test_runs import cancel
from tests.factories import TOOL, component, configuration
from tests.runners.scripted import ScriptedRunner
from tests.stores.counting import CountingStore

pytestmark = pytest.mark.exhaustive

STEPS = 7
ROUNDS = 60


class Killed(BaseException):
    """The process ends: it does nothing any more."""


class Life:
    """What a process can still do: so many calls. To end after one is to end before the next."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def of(self, target: Any) -> Any:
        """Return what a process with this life calls: `target`, as long as it lives."""
        return _Mortal(target, self)


class _Mortal:
    def __init__(self, target: Any, life: Life) -> None:
        self._target = target
        self._life = life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **options: Any) -> Any:
            self._life.spend()
            return await found(*args, **options)

        return call


class World:
    """A store, a builder and a runner, and what has happened before."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.builder = ScriptedBuilder()
        self.runner = ScriptedRunner(self.clock)
        self.engine = Engine(
            CountingStore(self.clock),
            self.builder,
            deployments_kept=9,
            random=Random(1),
            runner=self.runner,
            instance="survivor",
        )

    def mortal(self, life: Life) -> Engine:
        """Return the engine of another instance."""
        return replace(
            self.engine,
            store=life.of(self.engine.store),
            builder=life.of(self.builder),
            runner=life.of(self.runner),
            instance="mortal",
            tasks=type(self.engine.tasks)(),
        )

    async def deploy(self, engine: Engine, *names: str, **others: Any) -> str:
        self.clock.turn(1)
        await set_configuration(engine, TOOL, configuration(*names, **others))
        return (await create_deployment(engine, TOOL, DeployRequest(force_build=True))).value.id

    async def step(self, engine: Engine, times: int = 1) -> None:
        """Let an engine look at all deployments, as its background loop does."""
        for _ in range(times):
            finish(self.builder)
            self.clock.turn(1)
            for each in (await list_deployments(engine, TOOL)).value:
                if not each.is_settled:
                    await show_deployment(engine, TOOL, each.id)

    async def end(self) -> None:
        """Let the survivor see to it that everything is settled."""
        for _ in range(ROUNDS):
            await self.step(self.engine)
            self.clock.turn(20)
            if all(each.is_settled for each in (await list_deployments(self.engine, TOOL)).value):
                return
        pytest.fail("it never ends")


async def well(world: World, engine: Engine) -> None:
    await world.deploy(engine, "web", "new", api=component(replicas=2))
    await world.step(engine, STEPS)


async def failing(world: World, engine: Engine) -> None:
    world.runner.health["new"] = (Health.FAILED, "it crashes")
    await well(world, engine)


async def failing_after_others_are_healthy(world: World, engine: Engine) -> None:
    world.runner.health["new"] = (Health.PROGRESSING, "0 of 1 ready")
    await world.deploy(engine, "web", "new", api=component(replicas=2))
    await world.step(engine, 4)
    world.runner.health["new"] = (Health.FAILED, "it crashes")
    await world.step(engine, STEPS)


def cancelled_after(steps: int) -> Callable[[World, Engine], Awaitable[None]]:
    async def cancelled(world: World, engine: Engine) -> None:
        world.runner.stays.add("old")
        deploy_id = await world.deploy(engine, "web", "new", api=component(replicas=2))
        await world.step(engine, steps)
        world.runner.stays.clear()
        await cancel(engine, (await show_deployment(engine, TOOL, deploy_id)).value)
        await world.step(engine, STEPS)

    cancelled.__name__ = f"cancelled_after_{steps}"
    return cancelled


async def two_at_once(world: World, engine: Engine) -> None:
    world.runner.health["new"] = (Health.PROGRESSING, "0 of 1 ready")
    await world.deploy(engine, "web", "new", "old")
    await world.step(engine, 2)
    await world.deploy(engine, "web", "newer")
    await world.step(engine, 2)
    world.runner.health.clear()
    await world.step(engine, STEPS)


@pytest.mark.parametrize(
    "way",
    [
        well,
        failing,
        failing_after_others_are_healthy,
        *map(cancelled_after, (1, 2, 3, 4, 5)),
        two_at_once,
    ],
    ids=lambda way: way.__name__,
)
async def test_a_killed_process_leaves_nothing_half_done(
    way: Callable[[World, Engine], Awaitable[None]],
) -> None:
    for calls in count():
        world = World()
        await world.deploy(world.engine, "web", "old", api=component())
        await world.end()
        engine = world.mortal(Life(calls))
        try:
            await way(world, engine)
            killed = False
        except Killed:
            killed = True
        await engine.tasks.close(0)
        world.runner.stays.clear()
        if way is two_at_once:
            world.runner.health.clear()
        await world.end()
        assert await running(world) == await deployed_last(world), f"after {calls} calls"
        if not killed:
            return


async def running(world: World) -> dict[str, tuple[Wanted | None, str]]:
    listing = await world.runner.list(TOOL)
    return {
        name: (each.wanted, each.origin.deploy_id if each.origin else "")
        for name, each in listing.items()
    }


async def deployed_last(world: World) -> dict[str, tuple[Wanted | None, str]]:
    """Return what the newest finished deployment says."""
    found = (await list_deployments(world.engine, TOOL)).value
    finished = [each for each in found if each.status is DeploymentStatus.FINISHED]
    newest = max(finished, key=lambda each: each.created)
    assert {each.status for each in newest.runs.values()} == {Status.FINISHED}
    return {
        name: (wanted_of(newest, name, run), newest.id)
        for name, run in newest.runs.items()
        if run.action is not RunAction.REMOVE
    }
