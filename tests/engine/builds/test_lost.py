"""A build that its builder does not know any more."""

from backends.builders.base import BuilderUnavailable, BuildState, BuildStatus, NoFreeSlot
from components.engine.context import Engine
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL


def lose(builder: ScriptedBuilder, build_id: str) -> None:
    """Let a builder forget a build, as one does that keeps only a few."""
    builder.builds[build_id] = BuildState(build_id, BuildStatus.ERROR, "lost", lost=True)
    builder.ids = {key: each for key, each in builder.ids.items() if each != build_id}


async def test_it_is_built_anew_since_nobody_knows_how_it_ended(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.becomes(BuildStatus.RUNNING)
    await show_deployment(engine, TOOL, deployment.id)
    lose(builder, "build-1")
    builder.ids["another"] = "build-1"  # that id is given out
    again = (await show_deployment(engine, TOOL, deployment.id)).value.builds["a"]
    assert again.id == "build-2"
    builder.becomes(BuildStatus.FINISHED, "build-2", image="i")
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status == "FINISHED"


async def test_one_that_is_lost_again_and_again_is_an_error(
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


async def test_one_that_was_to_end_has_ended(
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


async def test_how_the_others_go_is_asked_before_anything_is_started(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    # A builder may remove what has ended, as soon as something else is started.
    builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a", "b")).value
    builder.refusals.clear()
    builder.becomes(BuildStatus.FINISHED, "build-1", image="i")
    builder.before_answers = [builder.requests.clear]
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert len(builder.requests) == 1
    assert shown.builds["a"].status is BuildStatus.FINISHED


async def test_where_asking_fails_nothing_is_started(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a", "b")).value
    builder.refusals.clear()
    builder.requests.clear()
    builder.outage = BuilderUnavailable("away")
    await show_deployment(engine, TOOL, deployment.id)
    assert builder.requests == []
