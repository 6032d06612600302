"""A run that was given up: its deployment has ended, and what ran before is still put back."""

import pytest

from backends.runners.base import RunnerUnavailable, RunRejected
from backends.status import Status
from components.engine.context import Engine
from components.engine.deployments.model import Deployment, DeploymentStatus, OnFailure
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.engine.runs.conftest import Deploy, stepped
from tests.engine.runs.test_runs import BROKEN, SLOW, cancel
from tests.factories import TOOL
from tests.runners.scripted import ScriptedRunner


@pytest.fixture
async def given_up(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine, clock: HandClock
) -> Deployment:
    """A deployment that has ended while what ran before could not be put back."""
    await deploy("web")
    runner.health["registry.example.org/build-2:1"] = BROKEN

    async def goes_away() -> None:
        runner.refusals["web"] = RunnerUnavailable("away")

    runner.after["apply"] = goes_away
    deployment = await deploy("web", force_build=True)
    for _ in range(12):
        clock.turn(60)
        deployment = await stepped(engine, deployment, 1)
    assert deployment.status is DeploymentStatus.ERROR
    assert not deployment.is_settled
    return deployment


async def test_what_is_put_back_late_says_so(
    given_up: Deployment, runner: ScriptedRunner, engine: Engine
) -> None:
    assert given_up.runs["web"].message.endswith("; what ran before is not healthy yet")
    runner.refusals.clear()
    deployment = await stepped(engine, given_up)
    assert deployment.is_settled
    run = deployment.runs["web"]
    assert run.status is Status.ERROR
    assert run.was_put_back
    before = (await runner.list(TOOL))["web"].origin
    assert before
    assert run.message == (
        f"the image cannot be pulled; the version of {before.deploy_id!r} runs again"
    )
    assert deployment.message == "what ran before was put back"


async def test_what_cannot_be_put_back_late_says_so(
    given_up: Deployment, runner: ScriptedRunner, engine: Engine
) -> None:
    runner.refusals["web"] = RunRejected("exceeded quota")
    run = (await stepped(engine, given_up)).runs["web"]
    assert run.is_settled
    assert run.message == ("the image cannot be pulled; it could not be put back: exceeded quota")


async def test_a_given_up_run_in_doubt_speaks_of_what_runs(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine, clock: HandClock
) -> None:
    runner.refusals["web"] = RunnerUnavailable("timed out")
    deployment = await deploy("web")
    runner.outage = RunnerUnavailable("away")
    await cancel(engine, deployment)
    for _ in range(12):
        clock.turn(60)
        deployment = await stepped(engine, deployment, 1)
    assert deployment.status is DeploymentStatus.CANCELLED
    assert not deployment.is_settled
    assert deployment.runs["web"].id is None
    assert deployment.message == "what ran before is being put back"


async def test_with_keep_a_rejected_run_does_not_say_that_anything_is_put_back(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    runner.refusals["web"] = RunRejected("exceeded quota")
    deployment = await deploy("web", on_failure=OnFailure.KEEP, steps=0)
    for _ in range(5):
        assert (await show_deployment(engine, TOOL, deployment.id)).value.message == ""


async def test_while_one_is_still_put_back_the_deployment_says_so(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    await deploy("web", "api")
    runner.health["registry.example.org/build-3:1"] = BROKEN
    runner.health["registry.example.org/build-2:1"] = SLOW
    deployment = await deploy("web", "api", force_build=True)
    assert {name for name, run in deployment.runs.items() if run.was_put_back} == {"web"}
    assert deployment.message == "what ran before is being put back"
    runner.health.clear()
    assert (await stepped(engine, deployment)).message == "what ran before was put back"
