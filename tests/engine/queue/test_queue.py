"""Deployments of a tool take turns: who starts, who waits, who is refused, who is superseded."""

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
    """One that lets one deployment of a tool run and two wait, and keeps as many as there are."""
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


async def test_one_more_than_may_run_waits_and_says_behind_which(
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


async def test_it_is_let_in_when_there_is_room_and_starts_at_its_next_step(
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


async def test_they_start_in_the_order_in_which_they_were_accepted(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value
    second, third = await more(engine), await more(engine)
    builder.becomes(BuildStatus.FINISHED)
    await shown(engine, first)
    assert (await shown(engine, third)).queued
    assert not (await shown(engine, second)).queued
    assert (await shown(engine, third)).queued


async def test_a_full_queue_refuses_and_says_what_to_do(engine: Engine) -> None:
    await deployed(engine)
    await more(engine)
    await more(engine)
    with pytest.raises(QueueFull, match="2 deployments wait: wait for one to start, cancel one"):
        await more(engine)
    assert len((await list_deployments(engine, TOOL)).value) == 3


async def test_whoever_does_not_want_to_wait_is_refused(engine: Engine) -> None:
    first = (await deployed(engine)).value
    with pytest.raises(Busy, match=f"{first.id}' is running"):
        await more(engine, WhenBusy.REJECT)
    assert len((await list_deployments(engine, TOOL)).value) == 1


async def test_superseding_ends_what_waits_and_what_runs_and_each_says_by_what(
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


async def test_an_instance_that_died_before_it_superseded_leaves_that_to_the_next(
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


async def test_a_store_that_fails_while_it_supersedes_leaves_that_to_the_next_step(
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


async def test_where_there_is_room_nothing_is_superseded(engine: Engine) -> None:
    await deployed(engine)
    roomy = replace(engine, max_running=2)
    second = await more(roomy, WhenBusy.SUPERSEDE)
    assert not second.queued
    assert not any(each.cancel_requested for each in (await list_deployments(roomy, TOOL)).value)


async def test_one_that_waits_can_be_cancelled_and_leaves_its_place(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    await deployed(engine)
    second, third = await more(engine), await more(engine)
    cancelled = (await cancel_deployment(engine, refresher, TOOL, second.id)).value
    assert cancelled.status is CANCELLED
    assert cancelled.builds["web"].message == "cancelled before it was started"
    assert "at position 1 " in (await show_deployment(engine, TOOL, third.id)).info[0]


async def test_one_that_waits_when_the_configuration_is_deleted_says_so(engine: Engine) -> None:
    first = (await deployed(engine)).value
    second = await more(engine)
    assert (await delete_configuration(engine, TOOL)).warnings == ()
    found = await shown(engine, second)
    assert (found.status, found.message) == (CANCELLED, "the configuration was deleted")
    assert (await shown(engine, first)).status is DeploymentStatus.RUNNING


async def test_one_that_is_gone_by_then_does_not_keep_the_others_waiting(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)
    second, third = await more(engine), await more(engine)

    async def vanish() -> None:
        await super(CountingStore, store).delete(TOOL, DEPLOYMENT, third.id)

    store.before["replace"] = vanish
    assert (await delete_configuration(engine, TOOL)).warnings == ()
    assert (await shown(engine, second)).message == "the configuration was deleted"


async def test_what_runs_or_waits_is_never_pushed_out(engine: Engine) -> None:
    few = replace(engine, deployments_kept=1)
    ids = [each.id for each in ((await deployed(few)).value, await more(few), await more(few))]
    found = {each.id: each for each in (await list_deployments(engine, TOOL)).value}
    assert list(found) == ids[::-1]
    assert not any(each.cancel_requested for each in found.values())


async def test_the_time_of_a_deployment_begins_when_it_may_start(
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


async def test_a_place_whose_deployment_was_never_stored_is_free_after_a_while(
    engine: Engine, store: CountingStore, clock: HandClock
) -> None:
    async def die() -> None:
        raise asyncio.CancelledError

    await deployed(replace(engine, max_running=0))
    first = (await list_deployments(engine, TOOL)).value[0]

    async def die_at_the_next() -> None:
        store.before["create"] = die

    store.before["create"] = die_at_the_next  # the queue, and then the deployment
    with pytest.raises(asyncio.CancelledError):
        await create_deployment(replace(engine, max_running=2), TOOL)
    waits = (await create_deployment(replace(engine, max_running=2), TOOL)).value
    assert waits.queued
    clock.turn(engine.limits.launch.total_seconds() + 1)
    engine = replace(engine, max_running=2)
    assert not (await shown(engine, waits)).queued
    assert first.id in (await read_snapshot(engine, TOOL)).queue_state.order()


async def test_a_place_is_given_back_where_the_store_rejects_the_deployment(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)

    async def reject() -> None:
        raise Rejected("exceeded quota")

    store.before["create"] = reject
    with pytest.raises(Rejected):
        await more(engine)
    assert len((await read_snapshot(engine, TOOL)).queue_state.queue.entries) == 1


async def test_one_that_was_deleted_keeps_no_place(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value
    builder.becomes(BuildStatus.FINISHED)
    await shown(engine, first)
    await delete_deployment(engine, refresher, TOOL, first.id)
    assert not (await more(engine)).queued


async def test_what_began_without_a_limit_counts_once_there_is_one(engine: Engine) -> None:
    first = (await deployed(replace(engine, max_running=0))).value
    answer = await create_deployment(engine, TOOL)
    assert answer.value.queued
    assert f"behind {first.id!r}" in answer.info[0]


async def test_without_a_limit_what_waited_is_let_in(engine: Engine) -> None:
    await deployed(engine)
    second = await more(engine)
    assert not (await shown(replace(engine, max_running=0), second)).queued


async def test_of_many_at_once_one_runs_as_many_wait_as_may_and_the_rest_is_refused(
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


async def test_it_costs_one_write_more_than_without_a_queue(
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
    # The queue and the outcome are replaced.
    assert store.calls == {"list": 2, "create": 1, "replace": 2, "delete": 1}


async def test_what_waits_does_not_start_once_its_configuration_is_gone_whenever_it_was_stored(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine)).value

    async def delete() -> None:
        # Its place is taken, and its document is not there yet.
        await delete_configuration(engine, TOOL)

    store.before["create"] = delete
    second = await more(engine)
    assert second.queued
    builder.becomes(BuildStatus.FINISHED)
    await shown(engine, first)
    ended = await shown(engine, second)
    assert ended.status is CANCELLED
    assert ended.message == "the configuration was deleted"


async def test_what_is_made_of_an_earlier_deployment_needs_no_configuration(
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


async def test_a_quota_makes_room_once_by_removing_what_is_settled(
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


async def test_a_quota_with_nothing_to_remove_is_told_in_its_own_words(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)

    async def refuse() -> None:
        store.before["create"] = refuse
        raise OverQuota("exceeded quota: secrets")

    store.before["create"] = refuse
    with pytest.raises(OverQuota, match="exceeded quota: secrets"):
        await create_deployment(replace(engine, max_running=0), TOOL)
