"""One tool's trouble is its own: the loop moves the others on, whatever hangs."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from backends.builders.base import BuildStatus
from backends.stores.base import Listing
from components.engine.breaker import MAX_PROBES
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments.documents import (
    DEPLOYMENT,
    deployment_of,
)
from components.engine.deployments.finding import find
from components.engine.deployments.model import Deployment
from components.engine.loop.scheduling import MAX_PAUSE_SECONDS, WAITING_PAUSE_SECONDS
from components.engine.queue.admission import cancel
from tests.builders.hanging import EVERYTHING, HangingBuilder
from tests.conftest import NOON
from tests.engine.loop.test_background import running
from tests.factories import configuration
from tests.stores.counting import CountingStore

pytestmark = pytest.mark.looptime

BAD = [f"bad-{number}" for number in range(10)]


class Passing:
    """A clock that goes with the loop's."""

    def __call__(self) -> datetime:
        return NOON + timedelta(seconds=asyncio.get_running_loop().time())


@pytest.fixture
async def store() -> CountingStore:
    return CountingStore(Passing())


@pytest.fixture
async def hanging() -> HangingBuilder:
    return HangingBuilder(BAD)


@pytest.fixture
async def stored(engine: Engine, hanging: HangingBuilder) -> AsyncIterator[Engine]:
    """An engine that keeps many deployments, with a builder that hangs where a test says so."""
    stored = replace(engine, builder=hanging, deployments_kept=100)
    yield stored
    await stored.tasks.close()


async def deploy(engine: Engine, tools: Collection[str], number: int = 1) -> list[Deployment]:
    """Deploy some tools so many times each."""
    made = []
    for tool in tools:
        await set_configuration(engine, tool, configuration())
        made += [(await create_deployment(engine, tool)).value for _ in range(number)]
    return made


async def is_final(store: CountingStore, deployment: Deployment) -> bool:
    document = await store.get(deployment.tool, DEPLOYMENT, deployment.id)
    return deployment_of(document).status.is_final


async def until_final(store: CountingStore, deployments: Collection[Deployment]) -> float:
    """Return after how many seconds all are final, to a tenth of one."""
    loop = asyncio.get_running_loop()
    began, left = loop.time(), list(deployments)
    while left := [each for each in left if not await is_final(store, each)]:
        assert loop.time() < began + 300
        await asyncio.sleep(0.1)  # which looptime lets pass at once
    return loop.time() - began


@pytest.mark.parametrize("after", [0, 2, 20, 100])
async def test_ten_tools_whose_builds_hang_cost_another_no_more_than_a_second(
    stored: Engine, store: CountingStore, hanging: HangingBuilder, after: float
) -> None:
    await deploy(stored, BAD, 10)
    hanging.hanging.add("get")
    async with running(stored):
        await asyncio.sleep(after)
        healthy = await deploy(stored, ["healthy"])
        hanging.becomes(BuildStatus.FINISHED)
        assert await until_final(store, healthy) <= 2


async def test_ten_tools_whose_starts_hang_cost_another_no_more_than_a_second(
    stored: Engine, store: CountingStore, hanging: HangingBuilder
) -> None:
    hanging.hanging.add("start")
    # Each waits for the builder, and is stored all the same.
    await asyncio.gather(*(deploy(stored, [tool], 10) for tool in BAD))
    await asyncio.sleep(120)  # what was claimed is anybody's
    async with running(stored):
        healthy = await deploy(stored, ["healthy"])
        hanging.becomes(BuildStatus.FINISHED)
        assert await until_final(store, healthy) <= 2


async def test_a_builder_that_answers_nobody_is_asked_by_a_few_at_a_time(
    stored: Engine, hanging: HangingBuilder
) -> None:
    await deploy(stored, [f"tool-{number}" for number in range(100)], 2)
    hanging.hanging.add("get")
    hanging.tools = None
    async with running(stored):
        await asyncio.sleep(120)
        most = 0
        for _ in range(60):
            await asyncio.sleep(1)
            most = max(most, hanging.hangs.total())
            assert max(hanging.hangs.values()) <= 1
    assert most <= MAX_PROBES


async def test_once_it_answers_again_everything_goes_on(
    stored: Engine, store: CountingStore, hanging: HangingBuilder
) -> None:
    deployments = await deploy(stored, [f"tool-{number}" for number in range(100)], 2)
    hanging.hanging.add("get")
    hanging.tools = None
    async with running(stored):
        await asyncio.sleep(120)
        hanging.hanging.clear()
        hanging.becomes(BuildStatus.FINISHED)
        assert await until_final(store, deployments) <= 30


async def test_while_it_answers_nobody_what_was_cancelled_ends_and_what_waits_is_let_in(
    stored: Engine, store: CountingStore, hanging: HangingBuilder
) -> None:
    engine = replace(stored, max_running=1)
    tools = [f"tool-{number}" for number in range(25)]
    first = await deploy(engine, tools)
    waiting = [(await create_deployment(engine, tool)).value for tool in tools]
    hanging.hanging |= EVERYTHING
    hanging.tools = None
    async with running(engine):
        await asyncio.sleep(120)
        for each in first:
            await cancel(engine, await find(engine, each.tool, each.id), "cancelled")
        # It is noticed once what hangs now is given up, and so is the end of the limit.
        noticing = 2 * (MAX_PAUSE_SECONDS + engine.builder_timeout)
        assert await until_final(store, first) <= engine.limits.launch.total_seconds() + noticing
        await asyncio.sleep(WAITING_PAUSE_SECONDS + 2)
        for each in waiting:
            assert not deployment_of(await find(engine, each.tool, each.id)).queued


class SlowList(CountingStore):
    """A store that takes its time to say which documents are open, once it is told to."""

    seconds = 0.0

    async def list_open(self, kind: str) -> Listing:
        listing = await super().list_open(kind)
        await asyncio.sleep(self.seconds)
        return listing


async def test_moves_that_are_broken_off_before_their_first_line_are_begun_again(
    stored: Engine, store: CountingStore, hanging: HangingBuilder
) -> None:
    loop, broken_off = asyncio.get_running_loop(), 0

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        nonlocal broken_off
        task = asyncio.Task(coro, loop=loop, **options)
        if coro.__name__ == "_reconcile" and broken_off < 40:
            broken_off += 1
            task.cancel()
        return task

    deployments = await deploy(stored, BAD, 4)
    hanging.becomes(BuildStatus.FINISHED)
    loop.set_task_factory(factory)
    async with running(stored):
        assert await until_final(store, deployments) <= MAX_PAUSE_SECONDS
    assert broken_off == 40


async def test_a_list_that_takes_long_is_waited_for_and_what_is_due_goes_on_meanwhile(
    stored: Engine, hanging: HangingBuilder
) -> None:
    store = SlowList(Passing())
    engine = replace(stored, store=store)
    (early,) = await deploy(engine, ["early"])
    async with running(engine) as background:
        await asyncio.sleep(2)
        store.seconds = 25
        await asyncio.sleep(2)
        (late,) = await deploy(engine, ["late"])
        hanging.becomes(BuildStatus.FINISHED)
        assert await until_final(store, [early]) <= MAX_PAUSE_SECONDS
        assert await until_final(store, [late]) <= 2 * store.seconds + 1
        assert background.since_last_scan <= store.seconds + 2


async def test_the_lag_is_how_long_one_has_waited_for_its_turn(
    stored: Engine, hanging: HangingBuilder
) -> None:
    await deploy(stored, ["bad-1"], 5)
    async with running(stored) as background:
        await asyncio.sleep(5)
        assert background.lag == 0
        hanging.hanging.add("get")
        await asyncio.sleep(12)
        assert 1 < background.lag < 12
