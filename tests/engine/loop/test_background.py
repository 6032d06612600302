"""The background loop: deployments are reconciled without requests, each on its own schedule."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from backends.builders.base import BuildStatus
from backends.members.base import Members
from backends.members.single import SingleMember
from backends.stores.base import Unavailable
from components.engine.context import Engine
from components.engine.deployments import operations as deployments
from components.engine.deployments.documents import DEPLOYMENT, deployment_of
from components.engine.deployments.finding import find
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.loop.background import Background
from components.engine.loop.refreshing import Refresher
from components.engine.loop.waiting import wait_for_change
from components.engine.queue.admission import cancel
from tests.builders.scripted import ScriptedBuilder
from tests.engine.conftest import deployed
from tests.factories import TOOL
from tests.stores.counting import CountingStore

pytestmark = pytest.mark.looptime


class Some(Members):
    """Members that a test sets by name."""

    def __init__(self, own: str, names: set[str]) -> None:
        super().__init__(own)
        self.names = names

    def live(self) -> frozenset[str]:
        return frozenset(self.names | {self.own})

    async def close(self) -> None:
        self.names.discard(self.own)


@asynccontextmanager
async def running(engine: Engine, members: Members | None = None) -> AsyncIterator[Background]:
    """Run a background loop for an instance."""
    refresher = Refresher(engine)
    background = Background(engine, refresher, members or SingleMember("me"))
    task = asyncio.create_task(background.run())
    try:
        yield background
    finally:
        task.cancel()
        await asyncio.wait((task,))
        await refresher.close()


async def state_of(store: CountingStore, deployment: Deployment) -> Deployment:
    return deployment_of(await store.get(TOOL, DEPLOYMENT, deployment.id))


async def test_a_deployment_ends_without_any_request(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a", "b")).value
    builder.becomes(BuildStatus.FINISHED)
    async with running(engine):
        await asyncio.sleep(1)
    assert (await state_of(store, deployment)).status is DeploymentStatus.FINISHED


async def test_an_unchanged_deployment_is_reconciled_less_often_but_every_ten_seconds(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    await deployed(engine, "a")
    builder.asked.clear()
    async with running(engine):
        await asyncio.sleep(60)
        first_minute = len(builder.asked)
        await asyncio.sleep(60)
        second_minute = len(builder.asked) - first_minute
    assert 6 <= second_minute <= 9
    assert second_minute < first_minute < 20


async def test_a_deployment_is_reconciled_soon_after_a_change(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    await deployed(engine, "a")
    async with running(engine):
        await asyncio.sleep(60)
        builder.becomes(BuildStatus.RUNNING)
        await asyncio.sleep(11)
        builder.asked.clear()
        await asyncio.sleep(3)
        assert len(builder.asked) >= 1


async def test_three_instances_query_no_more_often_than_one(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    await deployed(engine, "a")
    builder.asked.clear()
    async with running(engine):
        await asyncio.sleep(60)
    alone = len(builder.asked)
    builder.asked.clear()
    names = {"one", "two", "three"}
    async with (
        running(replace(engine, instance="one"), Some("one", names)),
        running(replace(engine, instance="two"), Some("two", names)),
        running(replace(engine, instance="three"), Some("three", names)),
    ):
        await asyncio.sleep(60)
    assert len(builder.asked) <= alone * 1.5


async def test_another_instance_takes_over_after_an_instance_has_gone(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    names = {"one", "two"}
    async with (
        running(replace(engine, instance="one"), Some("one", names)),
    ):
        names.clear()
        builder.becomes(BuildStatus.FINISHED)
        await asyncio.sleep(2)
    assert (await state_of(store, deployment)).status is DeploymentStatus.FINISHED


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("a defect")])
async def test_the_loop_survives_an_error(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, error: Exception
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.becomes(BuildStatus.FINISHED)

    async def fail() -> None:
        raise error

    store.before["replace"] = fail
    async with running(engine) as background:
        await asyncio.sleep(15)
        assert background.since_last_scan < 2
    assert (await state_of(store, deployment)).status is DeploymentStatus.FINISHED


async def test_the_age_of_the_last_scan_is_reported(engine: Engine, store: CountingStore) -> None:
    store.outage = Unavailable("away")
    async with running(engine) as background:
        await asyncio.sleep(70)
        assert background.since_last_scan >= 70


async def test_concurrent_callers_share_one_query(engine: Engine, builder: ScriptedBuilder) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.asked.clear()
    refresher = Refresher(engine)
    document = await find(engine, TOOL, deployment.id)
    await asyncio.gather(*(refresher.refresh(document) for _ in range(50)))
    await asyncio.sleep(0.9)
    await refresher.refresh(document)
    assert len(builder.asked) == 1
    await asyncio.sleep(0.2)
    await refresher.refresh(document)
    assert len(builder.asked) == 2
    await refresher.close()


async def test_a_cancelled_caller_does_not_cancel_the_query_of_others(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.gate.clear()
    refresher = Refresher(engine)
    document = await find(engine, TOOL, deployment.id)
    one, other = (asyncio.create_task(refresher.refresh(document)) for _ in range(2))
    await builder.until_waiting(1)
    one.cancel()
    builder.gate.set()
    assert (await other).value.id == deployment.id
    await asyncio.wait((one,))
    await refresher.close()


async def test_no_caller_gets_an_older_state_than_an_acknowledged_change(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.gate.clear()
    refresher = Refresher(engine)
    slow = asyncio.create_task(refresher.refresh(await find(engine, TOOL, deployment.id)))
    await builder.until_waiting(1)
    # Another instance cancels it, which the running query does not know.
    await cancel(engine, await find(engine, TOOL, deployment.id), "superseded")
    answer = await refresher.refresh(await find(engine, TOOL, deployment.id))
    assert answer.value.message == "superseded"
    builder.gate.set()
    await slow
    await refresher.close()


def refreshing(engine: Engine, deployment: Deployment) -> tuple[Refresher, Callable[[], object]]:
    refresher = Refresher(engine)
    return refresher, lambda: deployments.show_deployment(engine, refresher, TOOL, deployment.id)


async def test_waiting_ends_with_a_change_or_a_timeout(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    loop, known, stopping = asyncio.get_running_loop(), deployment.etag, asyncio.Event()
    refresher, refresh = refreshing(engine, deployment)
    began = loop.time()
    answer = await wait_for_change(refresh, known, 30, stopping)  # type: ignore[arg-type]
    assert (loop.time() - began, answer.value) == (30, deployment)
    loop.call_later(5, builder.becomes, BuildStatus.RUNNING)
    began = loop.time()
    answer = await wait_for_change(refresh, known, 30, stopping)  # type: ignore[arg-type]
    assert loop.time() - began < 9
    assert answer.value.builds["a"].status is BuildStatus.RUNNING
    await refresher.close()


async def test_waiting_ends_at_once_when_the_service_stops(engine: Engine) -> None:
    deployment = (await deployed(engine, "a")).value
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    refresher, refresh = refreshing(engine, deployment)
    loop.call_later(2, stopping.set)
    began = loop.time()
    await wait_for_change(refresh, deployment.etag, 30, stopping)  # type: ignore[arg-type]
    assert loop.time() - began == 2
    await refresher.close()


async def test_waiting_with_an_outdated_etag_ends_at_once(engine: Engine) -> None:
    deployment = (await deployed(engine, "a")).value
    refresher, refresh = refreshing(engine, deployment)
    began = asyncio.get_running_loop().time()
    await wait_for_change(refresh, "another", 30, asyncio.Event())  # type: ignore[arg-type]
    assert asyncio.get_running_loop().time() == began
    await refresher.close()
