"""Builds are claimed in the store before they are started; none is lost or started twice."""

import asyncio
from dataclasses import replace

import pytest

from backends.builders.base import BuilderUnavailable, BuildStatus, NoFreeSlot
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments.documents import DEPLOYMENT, deployment_of
from components.engine.deployments.reconcile import reconcile
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import NOON, HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL, configuration
from tests.stores.counting import CountingStore


async def test_a_build_is_claimed_before_it_is_started(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    builder.gate.clear()
    await set_configuration(engine, TOOL, configuration("a"))
    creating = asyncio.create_task(create_deployment(engine, TOOL))
    await builder.until_waiting(1)
    (document,) = (await store.list(TOOL, DEPLOYMENT)).documents
    claim = deployment_of(document).builds["a"].claim
    assert claim is not None
    assert (claim.by, claim.at) == (engine.instance, NOON)
    builder.gate.set()
    assert (await creating).value.builds["a"].claim is None


async def test_two_instances_start_a_waiting_build_once(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.refusals["a"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a")).value
    builder.refusals.clear()
    builder.requests.clear()
    other = replace(engine, instance="other")
    await asyncio.gather(
        show_deployment(engine, TOOL, deployment.id), show_deployment(other, TOOL, deployment.id)
    )
    assert len(builder.requests) == 1


async def test_the_claims_of_a_crashed_instance_are_taken_over(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, clock: HandClock
) -> None:
    await set_configuration(engine, TOOL, configuration("a"))
    builder.gate.clear()
    creating = asyncio.create_task(create_deployment(engine, TOOL))
    await builder.until_waiting(1)
    creating.cancel()
    await asyncio.wait((creating,))
    builder.gate.set()
    (document,) = (await store.list(TOOL, DEPLOYMENT)).documents
    other = replace(engine, instance="other")
    assert (await reconcile(other, document)).value.builds["a"].id is None
    clock.turn(60)
    (document,) = (await store.list(TOOL, DEPLOYMENT)).documents
    assert (await reconcile(other, document)).value.builds["a"].id == "build-1"
    first, second = builder.requests
    assert (first.key, first.first_attempt) == (second.key, second.first_attempt)
    assert (first.repeated, second.repeated) == (False, True)


@pytest.mark.parametrize(
    ("refusal", "repeated"), [(NoFreeSlot("full"), False), (BuilderUnavailable("away"), True)]
)
async def test_a_repeated_attempt_is_marked_as_repeated(
    engine: Engine, builder: ScriptedBuilder, refusal: Exception, repeated: bool
) -> None:
    builder.refusals["a"] = refusal
    deployment = (await deployed(engine, "a")).value
    await show_deployment(engine, TOOL, deployment.id)
    assert [request.repeated for request in builder.requests] == [False, repeated]


async def test_nothing_is_started_on_a_claim_that_is_about_to_expire(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, clock: HandClock
) -> None:
    async def suspend() -> None:
        # Like a machine that is suspended between storing the claim and starting the build.
        clock.turn(30)

    async def suspend_at_the_next() -> None:
        store.before["create"] = suspend

    store.before["create"] = suspend_at_the_next  # first the configuration, then the deployment
    answer = await deployed(engine, "a")
    assert builder.requests == []
    assert answer.value.builds["a"].message == "waits to be started"


async def test_a_build_that_is_no_longer_needed_when_it_starts_is_cancelled(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, clock: HandClock
) -> None:
    await set_configuration(engine, TOOL, configuration("a"))
    builder.gate.clear()
    creating = asyncio.create_task(create_deployment(engine, TOOL))
    await builder.until_waiting(1)
    # Meanwhile another instance stores that it timed out and that there is no build yet.
    clock.turn(4000)
    (document,) = (await store.list(TOOL, DEPLOYMENT)).documents
    other = replace(engine, instance="other", builder=ScriptedBuilder())
    final = (await reconcile(other, document)).value
    assert final.builds["a"].status is BuildStatus.ERROR
    builder.gate.set()
    assert (await creating).value == final
    assert builder.cancelled == {"build-1": 1}
