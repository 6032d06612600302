"""What can happen to a tool whose components run, and how its deployments end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from backends.runners.simulated import CRASHING_COMMAND
from components.engine.creation.create import retry_deployment, roll_back
from components.engine.deployments.model import DeploymentStatus, OnFailure
from components.engine.queue.state import WhenBusy
from tests.engine.runs.faults import World
from tests.engine.runs.platform import FORBIDDEN
from tests.factories import TOOL, component

FINISHED, ERROR, CANCELLED = (
    DeploymentStatus.FINISHED,
    DeploymentStatus.ERROR,
    DeploymentStatus.CANCELLED,
)
CRASHING = component() | {"run": {"command": CRASHING_COMMAND}}
STEPS = 6
CHANGED = component(replicas=2)


async def nothing(world: World) -> None:
    """Nothing has been deployed."""


async def two(world: World) -> None:
    await world.deploy("web", "old")


async def a_refusal(world: World) -> None:
    await two(world)
    await world.end()
    await world.deploy("new", web=component(replicas=FORBIDDEN))


async def a_change(world: World) -> None:
    await two(world)
    await world.end()
    await world.deploy("new", web=CHANGED)


async def first(world: World) -> None:
    await world.deploy("web", "api")
    await world.step(STEPS)


async def change(world: World) -> None:
    await world.deploy("new", web=CHANGED)
    await world.step(STEPS)


async def failure(world: World) -> None:
    await world.deploy(new=CRASHING, web=CHANGED)
    await world.step(STEPS)


async def refusal(world: World) -> None:
    await world.deploy(new=component(replicas=FORBIDDEN), web=CHANGED)
    await world.step(STEPS)


async def gone(world: World) -> None:
    await world.deploy(web=CHANGED)
    await world.step(2)
    await world.runner.lose("old")
    await world.step(STEPS)


def cancelled_after(steps: int) -> Callable[[World], Awaitable[None]]:
    async def cancelled(world: World) -> None:
        deploy_id = await world.deploy("new", web=CHANGED)
        await world.step(steps)
        await world.cancel(deploy_id)
        await world.step(STEPS)

    return cancelled


async def kept(world: World) -> None:
    await world.deploy("new", web=CRASHING, on_failure=OnFailure.KEEP)
    await world.step(STEPS)


async def waits(world: World) -> None:
    await world.deploy("web", "new")
    await world.step(2)
    await world.deploy(web=CHANGED)
    await world.step(STEPS)


async def superseded(world: World) -> None:
    await world.deploy("web", "new", force_build=True)
    await world.deploy(web=CHANGED)
    await world.step(STEPS, build=False)
    await world.step(2)


async def supersedes(world: World) -> None:
    await world.deploy("web", "new")
    await world.step(2)
    await world.deploy(web=CHANGED, when_busy=WhenBusy.SUPERSEDE)
    await world.step(STEPS)


async def retry(world: World) -> None:
    world.runner.quota = False
    *_, failed = await world.deployments()
    await retry_deployment(world.other, TOOL, failed.id)
    await world.step(STEPS)


async def rollback(world: World) -> None:
    first, *_ = await world.deployments()
    world.clock.turn(1)
    await roll_back(world.other, TOOL, first.id)
    await world.step(STEPS)


@dataclass(frozen=True)
class Scenario:
    """What was deployed before, what happens, and how the deployments end, the oldest first."""

    name: str
    before: Callable[[World], Awaitable[None]]
    way: Callable[[World], Awaitable[None]]
    ends: tuple[DeploymentStatus, ...]
    limit: int = 0


SCENARIOS = (
    Scenario("first", nothing, first, (FINISHED,)),
    Scenario("change", two, change, (FINISHED, FINISHED)),
    Scenario("failure", two, failure, (FINISHED, ERROR)),
    Scenario("refusal", two, refusal, (FINISHED, ERROR)),
    Scenario("gone", two, gone, (FINISHED, FINISHED)),
    *(
        Scenario(f"cancelled-{steps}", two, cancelled_after(steps), (FINISHED, CANCELLED))
        for steps in (1, 2)
    ),
    Scenario("kept", two, kept, (FINISHED, ERROR)),
    Scenario("waits", two, waits, (FINISHED, FINISHED, FINISHED)),
    Scenario("superseded", two, superseded, (FINISHED, CANCELLED, FINISHED)),
    Scenario("supersedes", two, supersedes, (FINISHED, CANCELLED, FINISHED), limit=1),
    Scenario("retry", a_refusal, retry, (FINISHED, ERROR, FINISHED)),
    Scenario("rollback", a_change, rollback, (FINISHED, FINISHED, FINISHED)),
)
