"""What ran before is put back for all or for none, whoever comes in between."""

from collections.abc import Mapping

from backends.runners.base import Fence, RunnerUnavailable, RunRejected, RunRequest
from backends.runners.simulated import SimulatedRunner
from backends.status import Status
from components.engine.context import Engine
from components.engine.deployments.model import DeploymentStatus
from components.engine.steps.asking import MAX_LOST
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.engine.runs.conftest import Deploy, stepped
from tests.engine.runs.test_runs import BROKEN, SLOW, cancel, images
from tests.factories import TOOL
from tests.runners.scripted import ScriptedRunner


async def wanted(runner: ScriptedRunner) -> Mapping[str, object]:
    return {name: (each.wanted, each.origin) for name, each in (await runner.list(TOOL)).items()}


async def test_what_is_cancelled_while_components_are_removed_is_put_back_with_them(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    await deploy("web", "old", "older")
    before = await wanted(runner)
    runner.stays.add("older")
    deployment = await deploy("web", force_build=True)
    assert (await images(runner)).keys() == {"web", "older"}
    await cancel(engine, deployment)
    deployment = await stepped(engine, deployment)
    assert deployment.status is DeploymentStatus.CANCELLED
    assert deployment.message == "what ran before was put back"
    assert await wanted(runner) == before


async def test_a_component_that_does_not_go_is_an_error_and_all_is_put_back(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine, clock: HandClock
) -> None:
    await deploy("web", "old")
    before = await wanted(runner)
    runner.stays.add("old")
    deployment = await deploy("web", force_build=True)
    for _ in range(12):
        clock.turn(60)
        deployment = await stepped(engine, deployment, 1)
    deployment = await stepped(engine, deployment)
    assert deployment.status is DeploymentStatus.ERROR
    assert deployment.runs["old"].message.startswith("was not gone within 10 min")
    assert await wanted(runner) == before


async def test_a_version_that_is_not_healthy_for_a_moment_while_others_are_removed_is_waited_for(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine, clock: HandClock
) -> None:
    await deploy("web", "old")
    runner.stays.add("old")
    deployment = await deploy("web", force_build=True)
    for _ in range(8):
        clock.turn(60)
        await stepped(engine, deployment, 1)
    clock.turn(110)
    runner.health["web"] = SLOW
    await stepped(engine, deployment, 1)
    runner.health.clear()
    runner.stays.clear()
    runner.lose(TOOL, "old")
    assert (await stepped(engine, deployment)).status is DeploymentStatus.FINISHED


async def test_what_is_lost_again_and_again_is_put_back(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    await deploy("web")
    before = await wanted(runner)
    runner.health["registry.example.org/build-2:1"] = SLOW
    deployment = await deploy("web", force_build=True)
    for _ in range(MAX_LOST + 1):
        runner.lose(TOOL, "web")
        deployment = await stepped(engine, deployment, 2)
    deployment = await stepped(engine, deployment)
    assert deployment.status is DeploymentStatus.ERROR
    assert deployment.runs["web"].message.startswith("what was started is gone; the version of")
    assert await wanted(runner) == before


async def test_what_is_lost_and_cannot_be_started_again_is_put_back_when_it_is_cancelled(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    await deploy("web")
    before = await wanted(runner)
    runner.health["registry.example.org/build-2:1"] = SLOW
    deployment = await deploy("web", force_build=True)
    runner.lose(TOOL, "web")
    runner.refusals["web"] = RunnerUnavailable("connection refused", maybe_started=False)
    deployment = await stepped(engine, deployment)
    assert deployment.runs["web"].message == "waits for the runner: connection refused"
    runner.refusals.clear()
    await cancel(engine, deployment)
    assert (await stepped(engine, deployment)).status is DeploymentStatus.CANCELLED
    assert await wanted(runner) == before


async def test_who_has_not_heard_that_it_is_put_back_does_not_end_it(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    await deploy("web")
    runner.health["registry.example.org/build-1:1"] = SLOW
    runner.health["registry.example.org/build-2:1"] = SLOW
    deployment = await deploy("web", force_build=True)

    async def another_cancels_first() -> None:
        await cancel(engine, deployment)
        await stepped(engine, deployment, 1)

    runner.before["list"] = another_cancels_first
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status is DeploymentStatus.RUNNING
    assert shown.message == "what ran before is being put back"
    runner.health.clear()
    assert (await stepped(engine, deployment)).status is DeploymentStatus.CANCELLED


async def test_what_a_later_request_has_made_is_left_and_the_others_are_put_back(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine, clock: HandClock
) -> None:
    await deploy("web", "api")
    before = (await wanted(runner))["api"]

    async def another_is_faster() -> None:
        there = (await runner.list(TOOL))["web"]
        assert there.wanted
        assert there.origin
        later = Fence(clock().replace(year=2030), "later")
        request = RunRequest(TOOL, "web", there.wanted, there.origin, later)
        await SimulatedRunner.apply(runner, request, there)

    runner.before["apply"] = another_is_faster
    deployment = await deploy("web", "api", force_build=True)
    assert deployment.status is DeploymentStatus.ERROR
    assert deployment.runs["web"].message == "superseded by 'later'"
    assert (await wanted(runner))["api"] == before


async def test_what_cannot_be_put_back_says_so_and_has_an_end(
    deploy: Deploy, runner: ScriptedRunner
) -> None:
    await deploy("web")
    runner.health["registry.example.org/build-2:1"] = BROKEN

    async def rejects_what_follows() -> None:
        runner.refusals["web"] = RunRejected("exceeded quota")

    runner.after["apply"] = rejects_what_follows
    failed = (await deploy("web", force_build=True)).runs["web"]
    assert failed.status is Status.ERROR
    assert failed.message == (
        "the image cannot be pulled; it could not be put back: exceeded quota"
    )
    assert failed.ended


async def test_a_start_that_comes_late_does_not_outlive_its_deployment(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine, clock: HandClock
) -> None:
    await deploy("web")
    before = await wanted(runner)
    runner.late |= {"web", "new"}
    deployment = await deploy("web", "new", force_build=True)
    assert deployment.status is DeploymentStatus.RUNNING
    runner.late.clear()
    await cancel(engine, deployment)
    assert (await stepped(engine, deployment)).status is DeploymentStatus.RUNNING
    await runner.arrive()
    clock.turn(60)
    assert (await stepped(engine, deployment)).status is DeploymentStatus.CANCELLED
    assert await wanted(runner) == before
