"""The newest deployments of a tool are kept; which others go, and what happens to their builds."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.builders.base import BuilderUnavailable, BuildStatus
from components.engine.context import Answer, Engine
from components.engine.creation import create_deployment
from components.engine.deployments import list_deployments
from components.engine.documents import DEPLOYMENT
from components.engine.errors import DeploymentSuperseded
from components.engine.model import Build, Deployment
from components.engine.prune import superseded
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import NOON, HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL, configuration
from tests.stores.counting import CountingStore

FINISHED = Build(BuildStatus.FINISHED, "b")
RUNNING = Build(BuildStatus.RUNNING, "b")

deployments = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([FINISHED, RUNNING])), min_size=1, max_size=8
).map(
    lambda parts: [
        Deployment(TOOL, str(n), NOON + timedelta(seconds=second), configuration(), {"web": build})
        for n, (second, build) in enumerate(parts)
    ]
)


@given(deployments, st.integers(1, 5))
def test_as_many_as_are_to_be_kept_stay_and_the_new_one_is_among_them(
    all_: list[Deployment], kept: int
) -> None:
    newest = replace(all_[-1], created=max(each.created for each in all_), builds={"web": RUNNING})
    all_ = [*all_[:-1], newest]
    removed = superseded(all_, kept, newest.id)
    assert len(all_) - len(removed) == min(kept, len(all_))
    assert newest not in removed


@given(deployments, st.integers(1, 5), st.integers(0, 7))
def test_not_even_a_new_one_that_looks_old_is_removed_by_its_maker(
    all_: list[Deployment], kept: int, which: int
) -> None:
    newest = all_[which % len(all_)]
    assert newest not in superseded(all_, kept, newest.id)


@given(deployments, st.integers(1, 5))
def test_final_ones_go_before_running_ones_and_old_ones_before_new_ones(
    all_: list[Deployment], kept: int
) -> None:
    removed = superseded(all_, kept, "none of them")
    for gone in removed:
        for stays in (each for each in all_ if each not in removed):
            if gone.status.is_final == stays.status.is_final:
                assert gone.created <= stays.created
            else:
                assert gone.status.is_final


@given(deployments, st.integers(1, 5))
def test_two_who_prune_at_once_keep_as_many_as_one_would(all_: list[Deployment], kept: int) -> None:
    distinct = [
        replace(each, created=NOON + timedelta(seconds=n), builds={"web": RUNNING})
        for n, each in enumerate(all_)
    ]
    gone = {
        removed.id for newest in distinct[-2:] for removed in superseded(distinct, kept, newest.id)
    }
    assert len(distinct) - len(gone) == min(kept, len(distinct))


async def create(engine: Engine, clock: HandClock, times: int) -> list[str]:
    """Deploy several times, a second apart; return the ids."""
    ids = []
    for _ in range(times):
        clock.turn(1)
        ids.append((await create_deployment(engine, TOOL)).value.id)
    return ids


async def kept(engine: Engine) -> set[str]:
    """The ids of the deployments that there are."""
    return {each.id for each in (await list_deployments(engine, TOOL)).value}


async def test_creating_one_more_removes_the_oldest_final_one(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine)).value.id
    second, third = await create(engine, clock, 2)
    builder.becomes(BuildStatus.FINISHED, "build-2")
    await show_deployment(engine, TOOL, second)
    (fourth,) = await create(engine, clock, 1)
    assert await kept(engine) == {first, third, fourth}
    assert not builder.cancelled


async def test_if_none_is_final_the_oldest_goes_and_its_builds_are_cancelled(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine, "a", "b")).value.id
    ids = await create(engine, clock, 3)
    assert await kept(engine) == set(ids)
    assert first not in ids
    assert builder.cancelled == {"build-1": 1, "build-2": 1}


async def test_each_removal_costs_one_call_to_the_store(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, clock: HandClock
) -> None:
    await deployed(engine)
    await create(engine, clock, 2)
    store.calls.clear()
    await create(engine, clock, 1)
    assert store.calls == {"create": 1, "replace": 1, "list": 2, "delete": 1}


async def test_where_fewer_are_kept_than_before_all_that_is_too_much_goes(
    engine: Engine, clock: HandClock
) -> None:
    await deployed(engine)
    await create(engine, clock, 2)
    (newest,) = await create(replace(engine, deployments_kept=1), clock, 1)
    assert await kept(engine) == {newest}


async def test_one_whose_builds_cannot_be_cancelled_stays_until_they_can(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    first = (await deployed(engine)).value.id
    await create(engine, clock, 2)
    builder.outage = BuilderUnavailable("connection refused")
    answer = await create_deployment(engine, TOOL)
    assert f"deployment '{first}' could not be removed" in answer.warnings[-1]
    assert "connection refused" in caplog.text
    assert first in await kept(engine)
    builder.outage = None
    await create(engine, clock, 1)
    assert first not in await kept(engine)
    assert len(await kept(engine)) == 3


async def test_one_that_changes_while_it_is_removed_is_removed_with_what_it_has_started(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine)).value.id
    ids = await create(engine, clock, 2)

    async def change() -> None:
        builder.becomes(BuildStatus.RUNNING, "build-1")
        await show_deployment(engine, TOOL, first)

    store.before["delete"] = change
    ids += await create(engine, clock, 1)
    assert await kept(engine) == set(ids)
    assert builder.cancelled == {"build-1": 2}


async def test_one_that_ends_while_it_is_removed_is_not_cancelled_again(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine)).value.id
    await create(engine, clock, 2)

    async def end() -> None:
        builder.becomes(BuildStatus.FINISHED, "build-1")
        await show_deployment(engine, TOOL, first)

    store.before["delete"] = end
    await create(engine, clock, 1)
    assert first not in await kept(engine)
    assert builder.cancelled == {"build-1": 1}


@pytest.mark.parametrize("before", ["delete", "delete after a change"])
async def test_one_that_somebody_else_removes_meanwhile_is_no_error(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, clock: HandClock, before: str
) -> None:
    first = (await deployed(engine)).value.id
    await create(engine, clock, 2)

    async def remove() -> None:
        await super(CountingStore, store).delete(TOOL, DEPLOYMENT, first)

    async def change() -> None:
        builder.becomes(BuildStatus.RUNNING, "build-1")
        await show_deployment(engine, TOOL, first)
        store.before["get"] = remove

    store.before["delete"] = remove if before == "delete" else change
    clock.turn(1)
    answer = await create_deployment(engine, TOOL)
    assert answer.warnings == ()
    assert first not in await kept(engine)


async def test_simultaneous_deployments_of_one_tool_leave_no_more_than_are_kept(
    engine: Engine,
) -> None:
    await deployed(engine)
    outcomes = await asyncio.gather(
        *(create_deployment(engine, TOOL) for _ in range(20)), return_exceptions=True
    )
    assert len(await kept(engine)) == 3
    created = {each.value.id for each in outcomes if isinstance(each, Answer)}
    assert await kept(engine) <= created
    refused = [each for each in outcomes if not isinstance(each, Answer)]
    assert all(isinstance(each, DeploymentSuperseded) for each in refused)


async def test_one_that_others_have_removed_before_it_was_answered_is_told(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)

    async def remove() -> None:
        documents = (await super(CountingStore, store).list(TOOL, DEPLOYMENT)).documents
        await super(CountingStore, store).delete(TOOL, DEPLOYMENT, documents[-1].name)

    async def remove_at_the_next() -> None:
        store.before["list"] = remove

    store.before["create"] = remove_at_the_next
    with pytest.raises(DeploymentSuperseded):
        await create_deployment(engine, TOOL)


@pytest.mark.looptime
async def test_a_builder_that_never_answers_costs_less_than_a_requests_time(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    await deployed(engine)
    await create(engine, clock, 2)
    builder.gate.clear()
    began = asyncio.get_running_loop().time()
    answer = await create_deployment(engine, TOOL)
    # Half of it for the launch, a quarter for what is cancelled.
    assert asyncio.get_running_loop().time() - began == engine.patience * 1.5
    assert "could not be removed" in answer.warnings[-1]
