"""A start with an unknown outcome: no second build, and no build of another deployment."""

from dataclasses import replace
from datetime import timedelta

import pytest

from backends.builders.base import (
    BuilderUnavailable,
    BuildRejected,
    BuildRequest,
    BuildState,
    BuildStatus,
    NoFreeSlot,
)
from backends.stores.base import Unavailable
from components.engine.builds.model import Build
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments.model import Deployment
from components.engine.deployments.operations import cancel_deployment
from components.engine.loop.refreshing import Refresher
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL
from tests.stores.counting import CountingStore

SETTLING = 120
AWAY = BuilderUnavailable("the answer was lost")


class Keyless(ScriptedBuilder):
    """A builder whose backend knows no keys: a build can only be found by its source."""

    knows_keys = False
    settling = timedelta(seconds=SETTLING)

    async def find(self, request: BuildRequest) -> BuildState | None:
        await super().find(request)
        found = [each for each in self.builds.values() if each.id not in request.taken]
        return found[0] if found else None

    async def execute(self, request: BuildRequest) -> str:
        """Execute a request whose response was lost; return the id."""
        build_id = f"build-{len(self.builds) + 1}"
        self.builds[build_id] = BuildState(build_id, BuildStatus.RUNNING)
        return build_id


@pytest.fixture
async def builder() -> Keyless:
    return Keyless()


@pytest.fixture
def engine(engine: Engine, builder: Keyless) -> Engine:
    limits = replace(engine.limits, settling=builder.settling, knows_keys=builder.knows_keys)
    return replace(engine, limits=limits)


async def lost(engine: Engine, builder: Keyless) -> Deployment:
    """A deployment of one component; the response to its start was lost."""
    builder.refusals["a"] = AWAY
    deployment = (await deployed(engine, "a")).value
    builder.refusals.clear()
    return deployment


async def shown(engine: Engine, deployment: Deployment) -> Build:
    return (await show_deployment(engine, TOOL, deployment.id)).value.builds["a"]


async def test_a_build_with_an_unknown_outcome_is_only_searched_for_until_the_doubt_settles(
    engine: Engine, builder: Keyless, clock: HandClock
) -> None:
    deployment = await lost(engine, builder)
    for _ in range(3):
        assert (await shown(engine, deployment)).awaits_start
        clock.turn(SETTLING / 3)
    assert len(builder.requests) == 1
    await shown(engine, deployment)  # the search that proves it
    assert (await shown(engine, deployment)).id
    assert [request.repeated for request in builder.requests] == [False, False]


async def test_a_build_that_starts_late_is_found_and_not_started_again(
    engine: Engine, builder: Keyless, clock: HandClock
) -> None:
    deployment = await lost(engine, builder)
    await shown(engine, deployment)
    clock.turn(60)
    build_id = await builder.execute(builder.requests[0])
    clock.turn(SETTLING)
    assert (await shown(engine, deployment)).id == build_id
    assert len(builder.requests) == 1


async def test_an_empty_search_before_the_doubt_settles_proves_nothing(
    engine: Engine, builder: Keyless, clock: HandClock
) -> None:
    deployment = await lost(engine, builder)
    refresher = Refresher(engine)
    cancelled = (await cancel_deployment(engine, refresher, TOOL, deployment.id)).value
    await refresher.close()
    assert not cancelled.status.is_final
    clock.turn(60)
    build_id = await builder.execute(builder.requests[0])
    assert (await shown(engine, deployment)).id == build_id
    assert builder.cancelled[build_id]


async def test_a_build_that_was_provably_never_started_is_cancelled_and_settled(
    engine: Engine, builder: Keyless, clock: HandClock
) -> None:
    deployment = await lost(engine, builder)
    refresher = Refresher(engine)
    await cancel_deployment(engine, refresher, TOOL, deployment.id)
    await refresher.close()
    clock.turn(SETTLING)
    settled = (await show_deployment(engine, TOOL, deployment.id)).value
    assert settled.is_settled
    assert settled.builds["a"].message == "cancelled before it was started"


@pytest.mark.parametrize("refusal", [NoFreeSlot, BuildRejected])
async def test_a_rejection_after_a_lost_response_keeps_the_doubt(
    engine: Engine, builder: Keyless, refusal: type[BuilderUnavailable]
) -> None:
    builder.refusals["a"] = refusal("full", maybe_started=True)
    deployment = (await deployed(engine, "a")).value
    assert deployment.builds["a"].doubt is not None
    builder.refusals.clear()
    await shown(engine, deployment)
    assert len(builder.requests) == 1


async def test_a_build_that_was_certainly_not_started_is_started_again_at_once(
    engine: Engine, builder: Keyless
) -> None:
    builder.refusals["a"] = BuilderUnavailable("connection refused", maybe_started=False)
    deployment = (await deployed(engine, "a")).value
    builder.refusals.clear()
    assert (await shown(engine, deployment)).id


async def test_the_build_of_another_deployment_is_not_adopted(
    engine: Engine, builder: Keyless, clock: HandClock
) -> None:
    first = await lost(engine, builder)
    second = (await create_deployment(engine, TOOL)).value
    assert second.builds["a"].id == "build-1"
    assert (await shown(engine, first)).id is None
    assert builder.sought[-1].taken == {"build-1"}


async def test_of_two_deployments_with_lost_responses_the_older_one_searches_first(
    engine: Engine, builder: Keyless, clock: HandClock
) -> None:
    first = await lost(engine, builder)
    clock.turn(1)
    builder.refusals["a"] = AWAY
    second = (await create_deployment(engine, TOOL)).value
    builder.refusals.clear()
    build_id = await builder.execute(builder.requests[0])
    assert (await shown(engine, second)).id is None
    assert (await shown(engine, first)).id == build_id
    assert (await shown(engine, second)).id is None


async def test_no_build_is_adopted_while_another_deployment_starts_one(
    engine: Engine, builder: Keyless, clock: HandClock
) -> None:
    first = await lost(engine, builder)
    builder.gate.clear()
    impatient = replace(engine, builder_timeout=0.01)
    second = (await create_deployment(impatient, TOOL)).value
    await builder.until_waiting(1)
    assert second.builds["a"].claim
    await builder.execute(builder.requests[-1])
    builder.gate.set()
    # Its start was executed, but is not stored yet.
    found = await shown(engine, first)
    assert found.id is None
    await engine.tasks.close(1)


async def test_a_failing_search_does_not_lose_the_outcome_of_concurrent_starts(
    engine: Engine, store: CountingStore, builder: Keyless
) -> None:
    builder.refusals = {"a": AWAY, "b": NoFreeSlot("full")}
    deployment = (await deployed(engine, "a", "b")).value
    builder.refusals.clear()

    async def fail() -> None:
        raise Unavailable("connection reset")

    store.before["list"] = fail  # the search lists the builds of other deployments
    shown_ = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown_.builds["b"].id is not None
    assert shown_.builds["a"].doubt is not None
