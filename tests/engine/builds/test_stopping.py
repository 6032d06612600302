"""Cancellations, timeouts and deletions."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from backends.builders.base import BuilderUnavailable, BuildStatus, NoFreeSlot
from backends.stores.base import DocumentState
from components.engine.cache import BoundedCache
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.model import DeploymentStatus
from components.engine.deployments.operations import (
    cancel_deployment,
    delete_deployment,
    list_deployments,
)
from components.engine.errors import AlreadyFinal, NoDeployment, NotFinal
from components.engine.loop.refreshing import Refresher
from components.engine.loop.scheduling import MAX_PAUSE_SECONDS
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL
from tests.stores.counting import CountingStore


@pytest.fixture
async def refresher(engine: Engine) -> AsyncIterator[Refresher]:
    refresher = Refresher(engine)
    yield refresher
    await refresher.close()


async def test_cancelling_stops_running_builds_and_prevents_waiting_ones(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a", "b")).value
    builder.requests.clear()
    builder.refusals.clear()
    cancelled = (await cancel_deployment(engine, refresher, TOOL, deployment.id)).value
    assert cancelled.builds["b"].status is BuildStatus.CANCELLED
    assert cancelled.builds["a"].message == "is being cancelled"
    assert cancelled.status is DeploymentStatus.RUNNING
    assert builder.cancelled == {"build-1": 1}
    assert builder.requests == []
    builder.becomes(BuildStatus.CANCELLED)
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status is DeploymentStatus.CANCELLED


async def test_a_build_that_ends_before_it_can_be_cancelled_keeps_its_status(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.becomes(BuildStatus.FINISHED, image="i")
    cancelled = (await cancel_deployment(engine, refresher, TOOL, deployment.id)).value
    assert cancelled.builds["a"].status is BuildStatus.FINISHED
    assert cancelled.status is DeploymentStatus.CANCELLED


async def test_cancelling_again_has_no_effect(engine: Engine, refresher: Refresher) -> None:
    deployment = (await deployed(engine, "a")).value
    first = await cancel_deployment(engine, refresher, TOOL, deployment.id)
    assert await cancel_deployment(engine, refresher, TOOL, "latest") == first


async def test_a_deployment_that_has_ended_cannot_be_cancelled(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.becomes(BuildStatus.FINISHED)
    await show_deployment(engine, TOOL, deployment.id)
    with pytest.raises(AlreadyFinal, match="its status is FINISHED"):
        await cancel_deployment(engine, refresher, TOOL, deployment.id)


async def test_a_build_is_cancelled_later_if_the_builder_is_unavailable(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.outage = BuilderUnavailable("away")
    await cancel_deployment(engine, refresher, TOOL, deployment.id)
    builder.outage = None
    builder.becomes(BuildStatus.CANCELLED)
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert builder.cancelled == {"build-1": 2}
    assert shown.status is DeploymentStatus.CANCELLED


async def test_an_unconfirmed_build_is_final_and_is_cancelled_until_the_builder_confirms(
    engine: Engine,
    store: CountingStore,
    refresher: Refresher,
    builder: ScriptedBuilder,
    clock: HandClock,
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.outage = BuilderUnavailable("away")
    await cancel_deployment(engine, refresher, TOOL, deployment.id)
    clock.turn(60)
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status is DeploymentStatus.CANCELLED
    assert "may still run" in shown.message
    assert "may still run" in shown.builds["a"].message
    with pytest.raises(NotFinal, match="may still run"):
        await delete_deployment(engine, refresher, TOOL, deployment.id)
    clock.turn(86_400)
    builder.outage = None
    builder.cancelled.clear()
    await show_deployment(engine, TOOL, deployment.id)
    assert builder.cancelled == {"build-1": 1}
    builder.becomes(BuildStatus.CANCELLED)
    settled = (await show_deployment(engine, TOOL, deployment.id)).value
    assert settled.status is DeploymentStatus.CANCELLED
    assert "may still run" not in f"{settled.message} {settled.builds['a'].message}"
    document = await store.get(TOOL, DEPLOYMENT, deployment.id)
    assert document.state is DocumentState.SEALED


async def test_a_build_that_ends_during_an_outage_has_the_status_that_the_builder_reports(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    deployment = (await deployed(engine, "a", "b")).value
    builder.becomes(BuildStatus.RUNNING)
    await show_deployment(engine, TOOL, deployment.id)
    builder.outage = BuilderUnavailable("away")
    for _ in range(12):
        clock.turn(170)
        await show_deployment(engine, TOOL, deployment.id)
    builder.outage = None
    builder.becomes(BuildStatus.FINISHED, "build-1", image="i")
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.builds["a"].status is BuildStatus.FINISHED
    # The running build keeps the rest of its time.
    assert shown.builds["b"].status is BuildStatus.RUNNING
    assert not builder.cancelled
    for _ in range(11):
        clock.turn(170)
        await show_deployment(engine, TOOL, deployment.id)
    assert builder.cancelled["build-2"]


async def test_a_build_that_may_have_been_started_is_found_and_cancelled(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    builder.outage = BuilderUnavailable("the answer was lost")
    deployment = (await deployed(engine, "a")).value
    builder.outage = None
    assert deployment.builds["a"].id is None
    cancelled = (await cancel_deployment(engine, refresher, TOOL, deployment.id)).value
    assert len(builder.sought) == 1
    assert cancelled.builds["a"].message == "cancelled before it was started"
    assert cancelled.status is DeploymentStatus.CANCELLED


async def test_a_found_build_is_cancelled(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    builder.refusals["a"] = BuilderUnavailable("the answer was lost")
    deployment = (await deployed(engine, "a")).value
    builder.refusals.clear()
    await builder.start(builder.requests[-1])
    await cancel_deployment(engine, refresher, TOOL, deployment.id)
    assert builder.cancelled == {"build-1": 1}
    builder.becomes(BuildStatus.CANCELLED)
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.builds["a"].id == "build-1"
    assert shown.status is DeploymentStatus.CANCELLED


async def test_a_build_that_times_out_is_cancelled_and_an_error_with_the_reason(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.becomes(BuildStatus.RUNNING)
    await show_deployment(engine, TOOL, deployment.id)
    for _ in range(10):
        clock.turn(179)
        await show_deployment(engine, TOOL, deployment.id)
    assert not builder.cancelled
    clock.turn(11)
    ending = (await show_deployment(engine, TOOL, deployment.id)).value
    assert builder.cancelled == {"build-1": 1}
    assert ending.builds["a"].message == "is being cancelled"
    builder.becomes(BuildStatus.CANCELLED)
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status is DeploymentStatus.ERROR
    assert shown.builds["a"].message == "the build took longer than 30 min: cancelled"


@pytest.mark.parametrize("confirms", [True, False], ids=["confirmed", "not confirmed"])
async def test_a_deployment_that_took_too_long_says_so_also_once_it_is_stored(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock, *, confirms: bool
) -> None:
    brief = replace(engine, limits=replace(engine.limits, deployment=timedelta(seconds=20)))
    builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(brief, "a", "b")).value
    builder.becomes(BuildStatus.RUNNING)
    for _ in range(3):
        await show_deployment(brief, TOOL, deployment.id)
        clock.turn(MAX_PAUSE_SECONDS)
    ending = (await show_deployment(brief, TOOL, deployment.id)).value
    assert builder.cancelled["build-1"]
    assert not ending.timed_out
    if confirms:
        builder.becomes(BuildStatus.CANCELLED)
    else:
        clock.turn(60)
    await show_deployment(brief, TOOL, deployment.id)
    (found,) = (await list_deployments(replace(brief, cache=BoundedCache(1, 1)), TOOL)).value
    assert found.status is DeploymentStatus.ERROR
    assert found.timed_out


async def test_a_deployment_whose_build_took_too_long_did_not_itself(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    brief = replace(engine, limits=replace(engine.limits, build=timedelta(seconds=20)))
    deployment = (await deployed(brief, "a")).value
    builder.becomes(BuildStatus.RUNNING)
    for _ in range(4):
        await show_deployment(brief, TOOL, deployment.id)
        clock.turn(MAX_PAUSE_SECONDS)
    builder.becomes(BuildStatus.CANCELLED)
    found = (await show_deployment(brief, TOOL, deployment.id)).value
    assert found.status is DeploymentStatus.ERROR
    assert not found.timed_out


@pytest.mark.looptime
async def test_only_a_deployment_that_has_ended_can_be_deleted(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    with pytest.raises(NotFinal, match="its status is RUNNING"):
        await delete_deployment(engine, refresher, TOOL, deployment.id)
    builder.becomes(BuildStatus.FINISHED)
    await show_deployment(engine, TOOL, deployment.id)
    deleted = (await delete_deployment(engine, refresher, TOOL, deployment.id)).value
    assert deleted.status is DeploymentStatus.FINISHED
    with pytest.raises(NoDeployment):
        await show_deployment(engine, TOOL, deployment.id)


async def test_a_cancellation_takes_precedence_over_a_concurrent_step(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.gate.clear()
    builder.becomes(BuildStatus.RUNNING)
    showing = asyncio.create_task(show_deployment(engine, TOOL, deployment.id))
    await builder.until_waiting(1)
    cancelling = asyncio.create_task(cancel_deployment(engine, refresher, TOOL, deployment.id))
    await builder.until_waiting(2)
    builder.gate.set()
    await asyncio.gather(showing, cancelling)
    assert (await show_deployment(engine, TOOL, deployment.id)).value.cancel_requested


async def test_a_short_timeout_applies_between_two_queries(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    brief = replace(engine, limits=replace(engine.limits, build=timedelta(seconds=20)))
    deployment = (await deployed(brief, "a")).value
    builder.becomes(BuildStatus.RUNNING)
    for _ in range(4):
        await show_deployment(brief, TOOL, deployment.id)
        clock.turn(MAX_PAUSE_SECONDS)
    assert builder.cancelled["build-1"]
