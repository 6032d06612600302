"""Run phases of one tool never overlap, and never go back to an older deployment."""

from dataclasses import replace
from datetime import timedelta

from backends.runners.base import Health
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine, Limits
from components.engine.creation.create import create_deployment
from components.engine.deployments.model import Deployment, DeploymentStatus, Stage
from components.engine.queue.reservation import read_snapshot, release
from components.engine.queue.rollout import Turn, rollout_under_way, take_turn
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.engine.runs.conftest import Deploy, finish, stepped
from tests.factories import TOOL, configuration
from tests.runners.scripted import ScriptedRunner

SLOW = (Health.PROGRESSING, "0 of 1 ready")


async def created(engine: Engine, clock: HandClock) -> Deployment:
    clock.turn(1)
    await set_configuration(engine, TOOL, configuration("web"))
    return (await create_deployment(engine, TOOL)).value


async def test_a_newer_deployment_waits_until_the_run_phase_of_an_older_one_has_ended(
    engine: Engine, deploy: Deploy, runner: ScriptedRunner
) -> None:
    runner.health["registry.example.org/build-1:1"] = SLOW
    older = await deploy("web")
    newer = await deploy("web", force_build=True)
    assert newer.stage is Stage.BEFORE_RUNS
    answer = await show_deployment(engine, TOOL, newer.id)
    assert f"its runs begin when those of {older.id!r} have ended" in answer.info
    runner.health.clear()
    assert (await stepped(engine, older)).status is DeploymentStatus.FINISHED
    assert (await stepped(engine, newer)).status is DeploymentStatus.FINISHED


async def test_an_older_deployment_that_comes_later_is_superseded(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock, runner: ScriptedRunner
) -> None:
    older = await created(engine, clock)
    newer = await created(engine, clock)
    states = dict(builder.builds)
    del builder.builds["build-1"]
    finish(builder)
    builder.builds["build-1"] = states["build-1"]
    newer = await stepped(engine, newer)
    assert newer.status is DeploymentStatus.FINISHED
    finish(builder)
    older = await stepped(engine, older)
    assert older.status is DeploymentStatus.CANCELLED
    assert older.message == f"superseded by {newer.id!r}"
    assert [each.origin.deploy_id for each in runner.applied] == [newer.id]


async def test_of_two_that_begin_at_the_same_time_one_wins(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    older, newer = await created(engine, clock), await created(engine, clock)
    finish(builder)
    for each in (older, newer):
        await stepped(engine, each, 1)
    assert await take_turn(engine, newer) == (Turn.OWN, newer.id)
    assert await take_turn(engine, newer) == (Turn.OWN, newer.id)
    assert await take_turn(engine, older) == (Turn.SUPERSEDED, newer.id)


async def test_the_turn_outlives_the_queue_and_the_deployment(
    engine: Engine, deploy: Deploy, clock: HandClock
) -> None:
    deployment = await deploy("web")
    await release(engine, TOOL, {deployment.id})
    snapshot = await read_snapshot(engine, TOOL)
    assert snapshot.queue_state.queue.rollout
    assert snapshot.queue_state.compacted().rollout == snapshot.queue_state.queue.rollout


async def test_a_rollout_is_under_way_until_its_deployment_is_settled(
    engine: Engine, deploy: Deploy, runner: ScriptedRunner
) -> None:
    runner.health["web"] = SLOW
    deployment = await deploy("web")
    assert rollout_under_way(await read_snapshot(engine, TOOL)) == deployment.id
    runner.health.clear()
    await stepped(engine, deployment)
    assert rollout_under_way(await read_snapshot(engine, TOOL)) is None


async def test_the_time_in_which_a_deployment_waits_for_its_turn_does_not_count(
    engine: Engine, deploy: Deploy, runner: ScriptedRunner, clock: HandClock
) -> None:
    engine = replace(engine, limits=Limits(run=timedelta(hours=3), deployment=timedelta(hours=1)))
    runner.health["registry.example.org/build-1:1"] = SLOW
    older = await deploy("web")
    clock.turn(3000)
    newer = await deploy("web", force_build=True)
    clock.turn(500)
    await stepped(engine, newer, 1)
    clock.turn(3200)
    runner.health.clear()
    await stepped(engine, older)
    assert (await stepped(engine, newer)).status is DeploymentStatus.FINISHED
