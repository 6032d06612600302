"""A tool whose builds hang does not delay the other tools in the loop."""

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
    """A clock that follows the event loop's."""

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
    """An engine that retains many deployments, with a builder that hangs where a test says so."""
    stored = replace(engine, builder=hanging, deployments_kept=100)
    yield stored
    await stored.tasks.close()


async def deploy(engine: Engine, tools: Collection[str], number: int = 1) -> list[Deployment]:
    """Deploy some tools, each several times."""
    made = []
    for tool in tools:
        await set_configuration(engine, tool, configuration())
        made += [(await create_deployment(engine, tool)).value for _ in range(number)]
    return made


async def is_final(store: CountingStore, deployment: Deployment) -> bool:
    document = await store.get(deployment.tool, DEPLOYMENT, deployment.id)
    return deployment_of(document).status.is_final


async def until_final(store: CountingStore, deployments: Collection[Deployment]) -> float:
    """Return after how many seconds all are final, to a tenth of a second."""
    loop = asyncio.get_running_loop()
    began, left = loop.time(), list(deployments)
    while left := [each for each in left if not await is_final(store, each)]:
        assert loop.time() < began + 300
        await asyncio.sleep(0.1)  # virtual time
    return loop.time() - began


@pytest.mark.parametrize("after", [0, 2, 20, 100])
async def test_ten_tools_with_hanging_builds_delay_another_by_at_most_a_second(
    stored: Engine, store: CountingStore, hanging: HangingBuilder, after: float
) -> None:
    await deploy(stored, BAD, 10)
    hanging.hanging.add("get")
    async with running(stored):
        await asyncio.sleep(after)
        healthy = await deploy(stored, ["healthy"])
        hanging.becomes(BuildStatus.FINISHED)
        assert await until_final(store, healthy) <= 2


async def test_ten_tools_with_hanging_starts_delay_another_by_at_most_a_second(
    stored: Engine, store: CountingStore, hanging: HangingBuilder
) -> None:
    hanging.hanging.add("start")
    # Each request waits for the builder, and its deployment is stored anyway.
    await asyncio.gather(*(deploy(stored, [tool], 10) for tool in BAD))
    await asyncio.sleep(120)  # the claims have expired
    async with running(stored):
        healthy = await deploy(stored, ["healthy"])
        hanging.becomes(BuildStatus.FINISHED)
        assert await until_final(store, healthy) <= 2


async def test_a_builder_that_never_responds_gets_only_a_few_calls_at_a_time(
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


async def test_everything_continues_once_the_builder_responds_again(
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


async def test_cancellations_and_admissions_work_while_the_builder_does_not_respond(
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
        # The recovery is noticed once the hanging calls have timed out.
        noticing = 2 * (MAX_PAUSE_SECONDS + engine.builder_timeout)
        assert await until_final(store, first) <= engine.limits.launch.total_seconds() + noticing
        await asyncio.sleep(WAITING_PAUSE_SECONDS + 2)
        for each in waiting:
            assert not deployment_of(await find(engine, each.tool, each.id)).queued


class SlowList(CountingStore):
    """A store whose list of open documents is slow, when a test says so."""

    seconds = 0.0

    async def list_open(self, kind: str) -> Listing:
        listing = await super().list_open(kind)
        await asyncio.sleep(self.seconds)
        return listing


async def test_reconciliations_that_are_cancelled_before_they_start_are_started_again(
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


async def test_a_slow_list_is_awaited_while_due_deployments_are_reconciled(
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


async def test_the_lag_is_the_time_that_the_longest_waiting_deployment_has_been_due(
    stored: Engine, hanging: HangingBuilder
) -> None:
    await deploy(stored, ["bad-1"], 5)
    async with running(stored) as background:
        await asyncio.sleep(5)
        assert background.lag == 0
        hanging.hanging.add("get")
        await asyncio.sleep(12)
        assert 1 < background.lag < 12
