"""Pruning: which deployments are removed or cancelled, and what happens to their builds."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.builders.base import BuilderUnavailable, BuildRejected, BuildStatus
from backends.stores.base import Conflict
from components.engine.builds.model import Build
from components.engine.context import Engine
from components.engine.creation.create import create_deployment, roll_back
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.operations import list_deployments
from components.engine.deployments.pruning import Pruning, pruning
from components.engine.deployments.reconcile import TIMED_OUT
from components.engine.errors import TooManyUnfinished
from components.engine.steps.model import Stop, StopReason
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import NOON, HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL, configuration
from tests.stores.counting import CountingStore

FINISHED = Build(BuildStatus.FINISHED, "b")
FAILED = Build(BuildStatus.ERROR, "b")
RUNNING = Build(BuildStatus.RUNNING, "b")
MAY_RUN = Build(BuildStatus.CANCELLED, "b", stop=Stop(StopReason.CANCELLED, NOON, "cancelled"))


def deployment(n: int, build: Build) -> Deployment:
    """The deployment that was created in the n-th second."""
    created = NOON + timedelta(seconds=n)
    return Deployment(TOOL, str(n), created, configuration(), {"web": build})


deployments = st.lists(
    st.sampled_from([FINISHED, FAILED, RUNNING, MAY_RUN]), min_size=1, max_size=8
).map(lambda builds: [deployment(n, build) for n, build in enumerate(builds)])
some = st.integers(1, 5)


@given(deployments, some, st.booleans())
def test_only_settled_deployments_are_removed(
    all_: list[Deployment], kept: int, ends: bool
) -> None:
    outcome = pruning(all_, kept, all_[-1].id, cancel_running=ends)
    assert all(each.is_settled for each in outcome.remove)
    assert not any(each.status.is_final for each in outcome.cancel)


@given(deployments, some, st.booleans())
def test_the_newest_finished_and_the_new_deployment_are_retained(
    all_: list[Deployment], kept: int, ends: bool
) -> None:
    outcome = pruning(all_, kept, all_[-1].id, cancel_running=ends)
    gone = {each.id for each in (*outcome.remove, *outcome.cancel)}
    finished = [each.id for each in all_ if each.status is DeploymentStatus.FINISHED]
    assert not gone & {all_[-1].id, *finished[-1:]}


@given(deployments, some)
def test_running_deployments_are_never_cancelled_if_there_is_a_limit(
    all_: list[Deployment], kept: int
) -> None:
    assert pruning(all_, kept, all_[-1].id, cancel_running=False).cancel == ()


@given(deployments, some)
def test_no_more_than_needed_are_pruned_and_the_oldest_first(
    all_: list[Deployment], kept: int
) -> None:
    outcome = pruning(all_, kept, all_[-1].id, cancel_running=True)
    assert len(outcome.remove) + len(outcome.cancel) <= max(len(all_) - kept, 0)
    for going in (outcome.remove, outcome.cancel):
        assert list(going) == sorted(going, key=lambda each: each.created)


@given(st.integers(1, 8), some)
def test_if_all_run_as_many_continue_as_are_retained(number: int, kept: int) -> None:
    all_ = [deployment(n, RUNNING) for n in range(number)]
    outcome = pruning(all_, kept, all_[-1].id, cancel_running=True)
    assert number - len(outcome.cancel) == min(number, kept)


def test_deployments_that_are_being_cancelled_count_as_pruned() -> None:
    ending = replace(deployment(0, RUNNING), cancel_requested=True)
    all_ = [ending, *(deployment(n, RUNNING) for n in range(1, 4))]
    assert pruning(all_, 3, "3", cancel_running=True) == Pruning()


async def create(engine: Engine, clock: HandClock, times: int) -> list[str]:
    """Deploy several times, a second apart; return the ids."""
    ids = []
    for _ in range(times):
        clock.turn(1)
        ids.append((await create_deployment(engine, TOOL)).value.id)
    return ids


async def kept(engine: Engine) -> dict[str, Deployment]:
    """The stored deployments, oldest first."""
    found = (await list_deployments(engine, TOOL)).value
    return {each.id: each for each in reversed(found)}


async def finish(engine: Engine, builder: ScriptedBuilder, *ids: str) -> None:
    """Finish all builds, and refresh these deployments."""
    builder.becomes(BuildStatus.FINISHED, image="i")
    for each in ids:
        await show_deployment(engine, TOOL, each)


async def test_creating_a_deployment_removes_the_oldest_settled_one(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine)).value.id
    second, third = await create(engine, clock, 2)
    await finish(engine, builder, second, third)
    builder.becomes(BuildStatus.RUNNING, "build-1")
    (fourth,) = await create(engine, clock, 1)
    assert list(await kept(engine)) == [first, third, fourth]
    assert not builder.cancelled


async def test_if_none_is_settled_the_oldest_is_cancelled_with_a_reason_and_removed_later(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine, "a", "b")).value.id
    *_, fourth = ids = await create(engine, clock, 3)
    found = await kept(engine)
    assert list(found) == [first, *ids]
    assert found[first].message == f"pruned in favour of {fourth!r}"
    await show_deployment(engine, TOOL, first)
    assert builder.cancelled == {"build-1": 1, "build-2": 1}
    builder.becomes(BuildStatus.CANCELLED, "build-1", "build-2")
    assert (await show_deployment(engine, TOOL, first)).value.is_settled
    await finish(engine, builder, *ids)
    ids += await create(engine, clock, 1)
    assert first not in await kept(engine)


async def test_failed_deployments_do_not_remove_the_newest_finished_one(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    good = (await deployed(engine)).value.id
    await finish(engine, builder, good)
    builder.refusals["web"] = BuildRejected("no such ref")
    await create(engine, clock, 5)
    assert good in await kept(engine)
    assert (await roll_back(engine, TOOL, good)).value.status is DeploymentStatus.FINISHED


async def test_a_deployment_whose_builds_may_still_run_is_not_removed(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine)).value.id
    ids = await create(engine, clock, 3)
    builder.outage = BuilderUnavailable("connection refused")
    await show_deployment(engine, TOOL, first)
    clock.turn(60)
    assert (await show_deployment(engine, TOOL, first)).value.status.is_final
    await create(engine, clock, 1)
    assert {first, *ids} < set(await kept(engine))
    builder.outage = None
    builder.becomes(BuildStatus.CANCELLED, "build-1")
    await show_deployment(engine, TOOL, first)
    await create(engine, clock, 1)
    assert first not in await kept(engine)


async def test_the_number_of_unsettled_deployments_is_bounded(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    await deployed(engine)
    builder.outage = BuilderUnavailable("connection refused")
    await create(engine, clock, 2 * engine.deployments_kept - 1)
    with pytest.raises(TooManyUnfinished, match="6 deployments have not ended"):
        await create_deployment(engine, TOOL)


async def test_each_removal_makes_one_call_to_the_store(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine)).value.id
    ids = await create(engine, clock, 2)
    await finish(engine, builder, first, *ids)
    store.calls.clear()
    await create(engine, clock, 1)
    assert store.calls == {"create": 1, "replace": 1, "list": 2, "delete": 1}


async def test_a_lower_limit_removes_all_excess_deployments(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    ids = [(await deployed(engine)).value.id, *await create(engine, clock, 2)]
    await finish(engine, builder, *ids)
    (newest,) = await create(replace(engine, deployments_kept=1), clock, 1)
    # Plus the newest finished one.
    assert list(await kept(engine)) == [ids[-1], newest]


@pytest.mark.parametrize("how", ["is removed", "changes"])
async def test_a_concurrent_removal_or_change_is_no_error(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, clock: HandClock, how: str
) -> None:
    first = (await deployed(engine)).value.id
    ids = await create(engine, clock, 2)
    await finish(engine, builder, first, *ids)

    async def meddle() -> None:
        if how == "is removed":
            await super(CountingStore, store).delete(TOOL, DEPLOYMENT, first)
        raise Conflict(TOOL, DEPLOYMENT, first)

    store.before["delete"] = meddle
    clock.turn(1)
    answer = await create_deployment(engine, TOOL)
    assert answer.warnings == ()


async def test_of_twenty_concurrent_deployments_none_is_refused_or_lost(engine: Engine) -> None:
    await deployed(engine)
    answers = await asyncio.gather(*(create_deployment(engine, TOOL) for _ in range(20)))
    found = await kept(engine)
    assert found.keys() >= {each.value.id for each in answers}
    going_on = [each for each in found.values() if not each.cancel_requested]
    assert len(going_on) == engine.deployments_kept


async def test_the_key_of_a_deployment_is_removed_before_the_deployment(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine)).value.id
    keyed = (await create_deployment(engine, TOOL, key="k")).value.id
    ids = await create(engine, clock, 1)
    await finish(engine, builder, first, keyed, *ids)
    ids += await create(engine, clock, 2)
    assert keyed not in await kept(engine)
    again = (await create_deployment(engine, TOOL, key="k")).value.id
    assert again not in {keyed, *ids}
    keys = [request.key for request in builder.requests]
    assert len(keys) == len(set(keys))


@pytest.mark.looptime
async def test_pruning_ends_within_the_request_timeout_if_the_builder_hangs(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine)).value.id
    ids = await create(engine, clock, 2)
    await finish(engine, builder, first, *ids)
    builder.gate.clear()
    began = asyncio.get_running_loop().time()
    answer = await create_deployment(engine, TOOL)
    assert asyncio.get_running_loop().time() - began == engine.builder_timeout
    assert answer.warnings == (TIMED_OUT.format("the builder"),)
    assert first not in await kept(engine)
    builder.gate.set()
    await engine.tasks.close(1)
    assert (await show_deployment(engine, TOOL, answer.value.id)).value.builds["web"].id
