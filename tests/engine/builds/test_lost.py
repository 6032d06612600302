"""Builds that the builder has lost."""

from backends.builders.base import BuilderUnavailable, BuildState, BuildStatus, NoFreeSlot
from components.engine.context import Engine
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL


def lose(builder: ScriptedBuilder, build_id: str) -> None:
    """Make a builder lose a build, as one does that retains only a few."""
    builder.builds[build_id] = BuildState(build_id, BuildStatus.ERROR, "lost", lost=True)
    builder.ids = {key: each for key, each in builder.ids.items() if each != build_id}


async def test_a_lost_build_is_built_again(engine: Engine, builder: ScriptedBuilder) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.becomes(BuildStatus.RUNNING)
    await show_deployment(engine, TOOL, deployment.id)
    lose(builder, "build-1")
    builder.ids["another"] = "build-1"  # that id is in use
    again = (await show_deployment(engine, TOOL, deployment.id)).value.builds["a"]
    assert again.id == "build-2"
    builder.becomes(BuildStatus.FINISHED, "build-2", image="i")
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status == "FINISHED"


async def test_a_build_that_is_lost_repeatedly_is_an_error(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    for number in (1, 2, 3):
        lose(builder, f"build-{number}")
        builder.ids[f"another-{number}"] = f"build-{number}"
        shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status == "ERROR"
    assert shown.builds["a"].message == "lost"
    assert len(builder.requests) == 3


async def test_a_lost_build_that_was_to_be_stopped_has_ended(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.becomes(BuildStatus.RUNNING)
    await show_deployment(engine, TOOL, deployment.id)
    for _ in range(11):
        clock.turn(170)
        await show_deployment(engine, TOOL, deployment.id)
    lose(builder, "build-1")
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status == "ERROR"
    assert len(builder.requests) == 1


async def test_the_status_of_the_other_builds_is_queried_before_anything_is_started(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    # A builder may remove ended builds as soon as another build is started.
    builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a", "b")).value
    builder.refusals.clear()
    builder.becomes(BuildStatus.FINISHED, "build-1", image="i")
    builder.before_answers = [builder.requests.clear]
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert len(builder.requests) == 1
    assert shown.builds["a"].status is BuildStatus.FINISHED


async def test_nothing_is_started_if_the_query_fails(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a", "b")).value
    builder.refusals.clear()
    builder.requests.clear()
    builder.outage = BuilderUnavailable("away")
    await show_deployment(engine, TOOL, deployment.id)
    assert builder.requests == []
