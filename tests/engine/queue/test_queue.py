"""The queue of a tool: which deployments start, wait, are refused or superseded."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from backends.builders.base import BuildStatus
from backends.stores.base import OverQuota, Rejected, Unavailable
from components.engine.configurations.operations import delete_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment, retry_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.operations import (
    cancel_deployment,
    delete_deployment,
    list_deployments,
)
from components.engine.errors import Busy, QueueFull
from components.engine.loop.refreshing import Refresher
from components.engine.queue.reservation import read_snapshot
from components.engine.queue.state import WhenBusy
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL
from tests.stores.counting import CountingStore

PENDING, CANCELLED = DeploymentStatus.PENDING, DeploymentStatus.CANCELLED


@pytest.fixture
def engine(engine: Engine) -> Engine:
    """An engine that lets one deployment per tool run and two wait, and prunes none."""
    return replace(engine, max_running=1, max_queued=2, deployments_kept=10)


@pytest.fixture
async def refresher(engine: Engine) -> AsyncIterator[Refresher]:
    refresher = Refresher(engine)
    yield refresher
    await refresher.close()


async def more(engine: Engine, when_busy: WhenBusy = WhenBusy.QUEUE) -> Deployment:
    return (await create_deployment(engine, TOOL, DeployRequest(when_busy=when_busy))).value


async def shown(engine: Engine, deployment: Deployment) -> Deployment:
    return (await show_deployment(engine, TOOL, deployment.id)).value


async def test_a_deployment_over_the_limit_waits_and_reports_its_position(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value
    second = (await create_deployment(engine, TOOL)).value
    answer = await create_deployment(engine, TOOL)
    assert answer.value.status is PENDING
    assert answer.info == (
        f"{answer.value.id!r} waits behind {second.id!r}, at position 2 in the queue",
    )
    assert len(builder.requests) == len(first.builds)
    assert (await show_deployment(engine, TOOL, second.id)).info == (
        f"it waits behind {first.id!r}, at position 1 in the queue",
    )


async def test_a_waiting_deployment_is_admitted_and_starts_at_its_next_step(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value
    second = await more(engine)
    assert (await shown(engine, second)).queued
    builder.becomes(BuildStatus.FINISHED)
    await shown(engine, first)
    builder.requests.clear()
    assert not (await shown(engine, second)).queued
    assert builder.requests == []
    assert (await shown(engine, second)).status is DeploymentStatus.RUNNING
    assert len(builder.requests) == 1


async def test_deployments_start_in_the_order_in_which_they_were_accepted(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value
    second, third = await more(engine), await more(engine)
    builder.becomes(BuildStatus.FINISHED)
    await shown(engine, first)
    assert (await shown(engine, third)).queued
    assert not (await shown(engine, second)).queued
    assert (await shown(engine, third)).queued


async def test_a_full_queue_rejects_with_advice(engine: Engine) -> None:
    await deployed(engine)
    await more(engine)
    await more(engine)
    with pytest.raises(QueueFull, match="2 deployments wait: wait for one to start, cancel one"):
        await more(engine)
    assert len((await list_deployments(engine, TOOL)).value) == 3


async def test_a_deployment_with_reject_is_refused_when_busy(engine: Engine) -> None:
    first = (await deployed(engine)).value
    with pytest.raises(Busy, match=f"{first.id}' is running"):
        await more(engine, WhenBusy.REJECT)
    assert len((await list_deployments(engine, TOOL)).value) == 1


async def test_superseding_cancels_waiting_and_running_deployments_with_the_reason(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value
    second, third = await more(engine), await more(engine)
    last = await more(engine, WhenBusy.SUPERSEDE)
    assert last.status is PENDING
    for each in (second, third):
        found = await shown(engine, each)
        assert (found.status, found.message) == (CANCELLED, f"superseded by {last.id!r}")
        assert found.builds["web"].message == f"superseded by {last.id!r} before it was started"
    assert (await shown(engine, first)).message == f"superseded by {last.id!r}"
    assert builder.cancelled["build-1"] == 1
    builder.becomes(BuildStatus.CANCELLED)
    await shown(engine, first)
    assert not (await shown(engine, last)).queued


async def test_another_instance_continues_superseding_after_a_crash(
    engine: Engine, store: CountingStore
) -> None:
    first = (await deployed(engine)).value
    second = await more(engine)

    async def die() -> None:
        raise asyncio.CancelledError

    async def die_at_the_next() -> None:
        store.before["replace"] = die

    store.before["create"] = die_at_the_next
    with pytest.raises(asyncio.CancelledError):
        await more(engine, WhenBusy.SUPERSEDE)
    last = (await list_deployments(engine, TOOL)).value[0]
    assert last.supersedes
    await shown(engine, last)
    assert (await shown(engine, second)).status is CANCELLED
    assert (await shown(engine, first)).cancel_requested


async def test_superseding_continues_after_a_store_error(
    engine: Engine, store: CountingStore
) -> None:
    first = (await deployed(engine)).value

    async def fail() -> None:
        raise Unavailable("connection refused")

    async def fail_at_the_next() -> None:
        store.before["replace"] = fail

    store.before["create"] = fail_at_the_next
    last = await more(engine, WhenBusy.SUPERSEDE)
    assert not (await list_deployments(engine, TOOL)).value[1].cancel_requested
    await shown(engine, last)
    assert (await shown(engine, first)).message == f"superseded by {last.id!r}"


async def test_nothing_is_superseded_below_the_limit(engine: Engine) -> None:
    await deployed(engine)
    roomy = replace(engine, max_running=2)
    second = await more(roomy, WhenBusy.SUPERSEDE)
    assert not second.queued
    assert not any(each.cancel_requested for each in (await list_deployments(roomy, TOOL)).value)


async def test_a_waiting_deployment_can_be_cancelled_and_frees_its_position(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    await deployed(engine)
    second, third = await more(engine), await more(engine)
    cancelled = (await cancel_deployment(engine, refresher, TOOL, second.id)).value
    assert cancelled.status is CANCELLED
    assert cancelled.builds["web"].message == "cancelled before it was started"
    assert "at position 1 " in (await show_deployment(engine, TOOL, third.id)).info[0]


async def test_a_waiting_deployment_is_cancelled_when_the_configuration_is_deleted(
    engine: Engine,
) -> None:
    first = (await deployed(engine)).value
    second = await more(engine)
    assert (await delete_configuration(engine, TOOL)).warnings == ()
    found = await shown(engine, second)
    assert (found.status, found.message) == (CANCELLED, "the configuration was deleted")
    assert (await shown(engine, first)).status is DeploymentStatus.RUNNING


async def test_a_removed_waiting_deployment_does_not_stop_the_cancellation_of_others(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)
    second, third = await more(engine), await more(engine)

    async def vanish() -> None:
        await super(CountingStore, store).delete(TOOL, DEPLOYMENT, third.id)

    store.before["replace"] = vanish
    assert (await delete_configuration(engine, TOOL)).warnings == ()
    assert (await shown(engine, second)).message == "the configuration was deleted"


async def test_running_and_waiting_deployments_are_never_pruned(engine: Engine) -> None:
    few = replace(engine, deployments_kept=1)
    ids = [each.id for each in ((await deployed(few)).value, await more(few), await more(few))]
    found = {each.id: each for each in (await list_deployments(engine, TOOL)).value}
    assert list(found) == ids[::-1]
    assert not any(each.cancel_requested for each in found.values())


async def test_the_timeout_of_a_deployment_begins_with_its_admission(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine)).value
    second = await more(engine)
    builder.becomes(BuildStatus.FINISHED)
    clock.turn(engine.limits.deployment.total_seconds())
    assert (await shown(engine, second)).queued
    await shown(engine, first)
    await shown(engine, second)
    assert (await shown(engine, second)).status is DeploymentStatus.RUNNING
    for _ in range(20):
        clock.turn(engine.limits.heartbeat.total_seconds())
        await shown(engine, second)
    builder.becomes(BuildStatus.CANCELLED)
    assert (await shown(engine, second)).status is DeploymentStatus.ERROR


async def test_a_reservation_whose_deployment_is_never_stored_expires(
    engine: Engine, store: CountingStore, clock: HandClock
) -> None:
    async def die() -> None:
        raise asyncio.CancelledError

    await deployed(replace(engine, max_running=0))
    first = (await list_deployments(engine, TOOL)).value[0]

    async def die_at_the_next() -> None:
        store.before["create"] = die

    store.before["create"] = die_at_the_next  # first the queue, then the deployment
    with pytest.raises(asyncio.CancelledError):
        await create_deployment(replace(engine, max_running=2), TOOL)
    waits = (await create_deployment(replace(engine, max_running=2), TOOL)).value
    assert waits.queued
    clock.turn(engine.limits.launch.total_seconds() + 1)
    engine = replace(engine, max_running=2)
    assert not (await shown(engine, waits)).queued
    assert first.id in (await read_snapshot(engine, TOOL)).queue_state.order()


async def test_a_reservation_is_released_if_the_store_rejects_the_deployment(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)

    async def reject() -> None:
        raise Rejected("exceeded quota")

    store.before["create"] = reject
    with pytest.raises(Rejected):
        await more(engine)
    assert len((await read_snapshot(engine, TOOL)).queue_state.queue.entries) == 1


async def test_a_deleted_deployment_keeps_no_position(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value
    builder.becomes(BuildStatus.FINISHED)
    await shown(engine, first)
    await delete_deployment(engine, refresher, TOOL, first.id)
    assert not (await more(engine)).queued


async def test_deployments_that_started_without_a_limit_count_for_a_new_limit(
    engine: Engine,
) -> None:
    first = (await deployed(replace(engine, max_running=0))).value
    answer = await create_deployment(engine, TOOL)
    assert answer.value.queued
    assert f"behind {first.id!r}" in answer.info[0]


async def test_waiting_deployments_are_admitted_when_the_limit_is_removed(engine: Engine) -> None:
    await deployed(engine)
    second = await more(engine)
    assert not (await shown(replace(engine, max_running=0), second)).queued


async def test_of_many_concurrent_deployments_one_runs_some_wait_and_the_rest_is_refused(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    await deployed(engine)
    other = replace(engine, instance="other")
    outcomes = await asyncio.gather(
        *(create_deployment((engine, other)[n % 2], TOOL) for n in range(40)),
        return_exceptions=True,
    )
    errors_of = [each for each in outcomes if isinstance(each, QueueFull)]
    assert len(errors_of) == 40 - engine.max_queued
    assert len(builder.requests) == 1


async def test_a_queue_costs_one_more_write(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    few = replace(engine, deployments_kept=2)
    await deployed(few)
    builder.becomes(BuildStatus.FINISHED)
    await show_deployment(engine, TOOL, "latest")
    await more(few)
    builder.becomes(BuildStatus.FINISHED)
    await show_deployment(engine, TOOL, "latest")
    store.calls.clear()
    await more(few)
    # It replaces the queue and stores the outcome.
    assert store.calls == {"list": 2, "create": 1, "replace": 2, "delete": 1}


async def test_a_waiting_deployment_never_starts_after_its_configuration_was_deleted(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value

    async def delete() -> None:
        # Its position is reserved, but its document is not stored yet.
        await delete_configuration(engine, TOOL)

    store.before["create"] = delete
    second = await more(engine)
    assert second.queued
    builder.becomes(BuildStatus.FINISHED)
    await shown(engine, first)
    ended = await shown(engine, second)
    assert ended.status is CANCELLED
    assert ended.message == "the configuration was deleted"


async def test_a_retry_or_rollback_needs_no_stored_configuration(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value
    builder.becomes(BuildStatus.ERROR)
    await shown(engine, first)
    running = await more(engine)
    await delete_configuration(engine, TOOL)
    waits = (await retry_deployment(engine, TOOL, first.id)).value
    assert waits.queued
    builder.becomes(BuildStatus.FINISHED)
    await shown(engine, running)
    assert not (await shown(engine, waits)).queued


async def test_a_quota_error_prunes_one_more_settled_deployment(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value
    builder.becomes(BuildStatus.ERROR)
    await shown(engine, first)

    async def refuse() -> None:
        raise OverQuota("exceeded quota: secrets")

    store.before["create"] = refuse
    second = (await create_deployment(replace(engine, max_running=0), TOOL)).value
    assert [each.id for each in (await list_deployments(engine, TOOL)).value] == [second.id]


async def test_a_quota_error_without_anything_to_prune_is_reported_unchanged(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)

    async def refuse() -> None:
        store.before["create"] = refuse
        raise OverQuota("exceeded quota: secrets")

    store.before["create"] = refuse
    with pytest.raises(OverQuota, match="exceeded quota: secrets"):
        await create_deployment(replace(engine, max_running=0), TOOL)
