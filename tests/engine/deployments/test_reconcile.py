"""Reconciling a deployment, with one query of the builder."""

import asyncio

import pytest

from backends.builders.base import BuilderUnavailable, BuildStatus, NoFreeSlot
from backends.stores.base import DocumentState
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT, deployment_data, deployment_of
from components.engine.deployments.model import DeploymentStatus
from components.engine.errors import NoDeployment, TooManyConflicts
from tests.builders.scripted import ScriptedBuilder
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL
from tests.stores.counting import CountingStore


async def test_all_builds_that_are_not_final_are_queried_in_one_call(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a", "b", "c")).value
    builder.becomes(BuildStatus.FINISHED, "build-1")
    await show_deployment(engine, TOOL, deployment.id)
    await show_deployment(engine, TOOL, deployment.id)
    assert builder.asked == [
        frozenset({"build-1", "build-2", "build-3"}),
        frozenset({"build-2", "build-3"}),
    ]


async def test_changes_are_stored_and_returned(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a", "b")).value
    builder.becomes(BuildStatus.RUNNING, "build-1", message="compiling")
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.builds["a"].status is BuildStatus.RUNNING
    assert shown.builds["a"].message == "compiling"
    assert deployment_of(await store.get(TOOL, DEPLOYMENT, deployment.id)) == shown


async def test_nothing_is_written_without_a_change(engine: Engine, store: CountingStore) -> None:
    deployment = (await deployed(engine)).value
    store.calls.clear()
    await show_deployment(engine, TOOL, deployment.id)
    assert store.calls == {"get": 1}


async def test_a_deployment_whose_last_build_has_ended_is_sealed(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a", "b")).value
    builder.becomes(BuildStatus.FINISHED, image="i")
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status is DeploymentStatus.FINISHED
    document = await store.get(TOOL, DEPLOYMENT, deployment.id)
    assert document.state is DocumentState.SEALED


async def test_a_final_deployment_causes_no_query_and_no_write(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine)).value
    builder.becomes(BuildStatus.FINISHED)
    final = await show_deployment(engine, TOOL, deployment.id)
    builder.asked.clear()
    store.calls.clear()
    assert await show_deployment(engine, TOOL, deployment.id) == final
    assert store.calls == {"get": 1}
    assert builder.asked == []


async def test_a_running_deployment_makes_at_most_two_calls_to_the_store(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine)).value
    builder.becomes(BuildStatus.RUNNING)
    store.calls.clear()
    await show_deployment(engine, TOOL, deployment.id)
    assert store.calls == {"get": 1, "replace": 1}


async def test_a_build_without_an_update_is_unchanged(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine)).value
    builder.builds.clear()
    assert (await show_deployment(engine, TOOL, deployment.id)).value == deployment


async def test_a_build_without_a_free_slot_is_tried_again_with_the_same_key(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a", "b")).value
    again = await show_deployment(engine, TOOL, deployment.id)
    assert "b: waits for a free slot: full" in again.warnings
    del builder.refusals["b"]
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.builds["b"].id
    assert shown.builds["b"].message == ""
    keys = [request.key for request in builder.requests if request.component == "b"]
    assert len(keys) == 3
    assert len(set(keys)) == 1


@pytest.mark.parametrize("waits", [0, 1])
async def test_the_stored_state_and_a_warning_are_returned_if_the_builder_does_not_respond(
    engine: Engine, builder: ScriptedBuilder, waits: int
) -> None:
    if waits:
        builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a", "b")).value
    builder.outage = BuilderUnavailable("connection refused")
    answer = await show_deployment(engine, TOOL, deployment.id)
    assert answer.value.builds["a"] == deployment.builds["a"]
    assert answer.warnings[0] == (
        "the builder does not respond, so this is the last known state: connection refused"
    )


@pytest.mark.looptime
async def test_a_hanging_query_may_take_half_of_the_builder_timeout(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine)).value
    builder.gate.clear()
    answer = await show_deployment(engine, TOOL, deployment.id)
    assert asyncio.get_running_loop().time() == engine.builder_timeout / 2
    assert answer.value == deployment
    assert "no response in time" in answer.warnings[0]


async def test_a_conflicting_write_is_merged(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a", "b")).value
    builder.becomes(BuildStatus.FINISHED, "build-1", image="mine")

    async def meet() -> None:
        builder.becomes(BuildStatus.FINISHED, "build-2", image="theirs")
        await show_deployment(engine, TOOL, deployment.id)

    store.before["replace"] = meet
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.builds["a"].image == "mine"
    assert shown.builds["b"].image == "theirs"
    assert deployment_of(await store.get(TOOL, DEPLOYMENT, deployment.id)) == shown


async def test_simultaneous_requests_all_see_one_deployment(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, *"abcdefgh")).value
    builder.becomes(BuildStatus.FINISHED)
    answers = await asyncio.gather(
        *(show_deployment(engine, TOOL, deployment.id) for _ in range(50))
    )
    assert {answer.value.status for answer in answers} == {DeploymentStatus.FINISHED}


async def test_too_many_conflicts_are_an_error(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine)).value
    builder.becomes(BuildStatus.RUNNING, message="mine")

    async def change() -> None:
        read = await store.get(TOOL, DEPLOYMENT, deployment.id)
        data = deployment_data(deployment)
        await super(CountingStore, store).replace(read, data, DocumentState.OPEN)
        store.before["replace"] = change

    store.before["replace"] = change
    with pytest.raises(TooManyConflicts, match=deployment.id):
        await show_deployment(engine, TOOL, deployment.id)


async def test_a_deployment_that_is_removed_before_its_launch_is_an_error(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a", "b")).value
    builder.requests.clear()
    store.before["replace"] = lambda: store.delete(TOOL, DEPLOYMENT, deployment.id)
    with pytest.raises(NoDeployment):
        await show_deployment(engine, TOOL, deployment.id)
    assert builder.requests == []


async def test_the_builds_of_a_deployment_that_is_removed_meanwhile_are_cancelled(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    builder.refusals["a"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a")).value
    builder.refusals.clear()
    builder.gate.clear()
    showing = asyncio.create_task(show_deployment(engine, TOOL, deployment.id))
    await builder.until_waiting(1)
    await store.delete(TOOL, DEPLOYMENT, deployment.id)
    builder.gate.set()
    with pytest.raises(NoDeployment):
        await showing
    assert builder.cancelled == {"build-1": 1}


async def test_updates_after_a_deployment_was_sealed_are_dropped(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine)).value
    builder.becomes(BuildStatus.RUNNING)

    async def seal() -> None:
        builder.becomes(BuildStatus.FINISHED)
        await show_deployment(engine, TOOL, deployment.id)

    store.before["replace"] = seal
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status is DeploymentStatus.FINISHED


async def test_nothing_is_launched_while_the_builder_fails_to_report_the_other_builds(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a", "b")).value
    builder.refusals.clear()

    def fail() -> None:
        raise RuntimeError("secret")

    builder.before_answers = [fail]
    answer = await show_deployment(engine, TOOL, deployment.id)
    assert answer.warnings == ("the builder failed to respond, so this is the last known state",)
    assert answer.value == deployment
    assert "secret" in caplog.text
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.builds["b"].id == "build-2"
