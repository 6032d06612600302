"""A start whose answer was lost may be carried out later, also after another one has succeeded."""

import pytest

from components.engine.context import Engine
from components.engine.deployments.model import Deployment, DeploymentStatus
from tests.conftest import HandClock
from tests.engine.runs.conftest import Deploy, stepped
from tests.engine.runs.test_runs import BROKEN, SLOW, cancel, images
from tests.runners.scripted import ScriptedRunner

SETTLED = 60


@pytest.fixture
async def started_again(deploy: Deploy, runner: ScriptedRunner, engine: Engine) -> Deployment:
    """A deployment that has started `new` a second time: the first request may still arrive."""
    await deploy("web")
    runner.health["new"] = SLOW
    runner.late.add("new")
    deployment = await deploy("web", "new", force_build=True, steps=3)
    runner.late.clear()
    assert deployment.runs["new"].id is None
    deployment = await stepped(engine, deployment, 1)
    assert [each.component for each in runner.applied] == ["web", "web", "new"]
    return deployment


@pytest.mark.parametrize("cancels", [True, False])
async def test_what_did_not_run_before_does_not_come_back_after_it_was_removed(
    started_again: Deployment,
    runner: ScriptedRunner,
    engine: Engine,
    clock: HandClock,
    *,
    cancels: bool,
) -> None:
    runner.health["new"] = BROKEN
    if cancels:
        await cancel(engine, started_again)
    deployment = await stepped(engine, started_again)
    assert (await images(runner)).keys() == {"web"}
    assert not deployment.status.is_final
    await runner.arrive()
    assert (await images(runner)).keys() == {"web", "new"}
    clock.turn(SETTLED)
    deployment = await stepped(engine, deployment)
    assert deployment.status.is_final
    assert (await images(runner)).keys() == {"web"}


async def test_a_component_that_the_next_deployment_removes_does_not_come_back(
    started_again: Deployment,
    deploy: Deploy,
    runner: ScriptedRunner,
    engine: Engine,
    clock: HandClock,
) -> None:
    runner.health.clear()
    newer = await deploy("web", force_build=True)
    await runner.arrive()
    assert not (await stepped(engine, started_again)).status.is_final
    clock.turn(SETTLED)
    assert (await stepped(engine, started_again)).status is DeploymentStatus.FINISHED
    assert (await stepped(engine, newer)).status is DeploymentStatus.FINISHED
    assert (await images(runner)).keys() == {"web"}


async def test_what_was_lost_after_a_late_start_is_still_in_doubt(
    started_again: Deployment, runner: ScriptedRunner, engine: Engine
) -> None:
    before = started_again.runs["new"].doubt
    assert before
    runner.lose(started_again.tool, "new")
    lost = (await stepped(engine, started_again, 1)).runs["new"]
    assert (lost.lost, lost.doubt) == (1, before)
