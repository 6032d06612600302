"""The run phase of a deployment: when it begins, how it ends, and what is put back."""

from dataclasses import replace

import pytest

from backends.builders.base import BuildState, BuildStatus
from backends.runners.base import Fence, Health, Origin, RunnerUnavailable, RunRejected
from backends.runners.none import NoRunner
from backends.status import Status
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment, retry_deployment, roll_back
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.documents import DEPLOYMENT, deployment_of
from components.engine.deployments.model import Deployment, DeploymentStatus, OnFailure
from components.engine.deployments.operations import cancel_deployment
from components.engine.loop.refreshing import Refresher
from components.engine.runs.model import RunAction
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.engine.runs.conftest import Deploy, finish, stepped
from tests.factories import TOOL, component, configuration, reusing
from tests.runners.scripted import ScriptedRunner
from tests.stores.counting import CountingStore

BROKEN = (Health.FAILED, "the image cannot be pulled")
SLOW = (Health.PROGRESSING, "0 of 1 ready")


async def cancel(engine: Engine, deployment: Deployment) -> Deployment:
    refresher = Refresher(engine)
    try:
        answer = await cancel_deployment(engine, refresher, TOOL, deployment.id)
        return answer.value
    finally:
        await refresher.close()


async def images(runner: ScriptedRunner) -> dict[str, str]:
    listing = await runner.list(TOOL)
    return {name: each.wanted.image for name, each in listing.items() if each.wanted}


async def test_a_deployment_finishes_when_all_its_components_run(
    deploy: Deploy, runner: ScriptedRunner
) -> None:
    deployment = await deploy("web", nightly=reusing("web"))
    assert deployment.status is DeploymentStatus.FINISHED
    assert {each.action for each in deployment.runs.values()} == {RunAction.START}
    assert await images(runner) == dict.fromkeys(
        ("web", "nightly"), "registry.example.org/build-1:1"
    )


async def test_what_runs_carries_the_deployment_and_the_commit_that_it_came_from(
    deploy: Deploy, runner: ScriptedRunner, builder: ScriptedBuilder
) -> None:
    builder.commits["main"] = "a" * 40
    deployment = await deploy("web")
    running = (await runner.list(TOOL))["web"]
    assert running.origin == Origin(deployment.id, "a" * 40)
    assert running.fence == Fence(deployment.created, deployment.id)


async def test_an_image_is_run_by_its_digest(
    engine: Engine, builder: ScriptedBuilder, runner: ScriptedRunner
) -> None:
    await set_configuration(engine, TOOL, configuration("web"))
    made = (await create_deployment(engine, TOOL)).value
    image, digest = "registry.example.org:5000/web:latest", f"sha256:{64 * '1'}"
    builder.builds["build-1"] = BuildState(
        "build-1", BuildStatus.FINISHED, image=image, digest=digest
    )
    await stepped(engine, made)
    assert await images(runner) == {"web": f"registry.example.org:5000/web@{digest}"}


async def test_no_run_begins_before_all_builds_have_finished(
    engine: Engine, builder: ScriptedBuilder, runner: ScriptedRunner
) -> None:
    await set_configuration(engine, TOOL, configuration("web", "api"))
    made = (await create_deployment(engine, TOOL)).value
    builder.becomes(BuildStatus.FINISHED, "build-1", image="i")
    deployment = await stepped(engine, made)
    assert deployment.status is DeploymentStatus.RUNNING
    assert {each.message for each in deployment.runs.values()} == {"waits for the builds"}
    assert runner.calls["list"] == 0


async def test_where_a_build_fails_no_run_begins_and_the_runs_say_why(
    engine: Engine, builder: ScriptedBuilder, runner: ScriptedRunner
) -> None:
    await set_configuration(engine, TOOL, configuration("web", "api"))
    made = (await create_deployment(engine, TOOL)).value
    builder.becomes(BuildStatus.FINISHED, "build-1", image="i")
    builder.becomes(BuildStatus.ERROR, "build-2")
    deployment = await stepped(engine, made, 1)
    assert deployment.status is DeploymentStatus.ERROR
    assert deployment.is_settled
    assert {each.message for each in deployment.runs.values()} == {
        "not started, since the build of 'api' ended as ERROR"
    }
    assert not runner.calls


async def test_all_components_begin_at_once(deploy: Deploy, runner: ScriptedRunner) -> None:
    runner.health = dict.fromkeys(("a", "b", "c"), SLOW)
    deployment = await deploy("a", "b", "c")
    assert {each.component for each in runner.applied} == {"a", "b", "c"}
    assert {each.status for each in deployment.runs.values()} == {Status.RUNNING}
    assert deployment.runs["a"].message == "0 of 1 ready"


async def test_what_is_healthy_is_shown_as_finished_and_can_still_be_put_back(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    runner.health["b"] = SLOW
    deployment = await deploy("a", "b")
    assert deployment.runs["a"].visible_status is Status.FINISHED
    runner.health["b"] = BROKEN
    deployment = await stepped(engine, deployment)
    assert deployment.status is DeploymentStatus.ERROR
    assert deployment.runs["a"].status is Status.CANCELLED
    assert await images(runner) == {}


async def test_a_failed_run_puts_back_exactly_what_ran_before(
    deploy: Deploy, runner: ScriptedRunner
) -> None:
    first = await deploy("web", "api")
    before = await runner.list(TOOL)
    runner.health["registry.example.org/build-3:1"] = BROKEN
    failed = await deploy("web", "api", "new", force_build=True)
    assert failed.status is DeploymentStatus.ERROR
    assert failed.message == "what ran before was put back"
    assert failed.runs["web"].message == (
        f"the image cannot be pulled; the version of {first.id!r} runs again"
    )
    assert failed.runs["api"].message == f"'web' failed; the version of {first.id!r} runs again"
    assert failed.runs["new"].message == "'web' failed; nothing ran before, so nothing runs now"
    after = await runner.list(TOOL)
    assert after.keys() == before.keys()
    for name, running in after.items():
        assert running.wanted == before[name].wanted
        assert running.origin == before[name].origin
        assert running.fence == Fence(failed.created, failed.id, step=1)


async def test_a_deployment_has_not_ended_before_what_ran_before_is_healthy(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    await deploy("web")
    runner.health["registry.example.org/build-1:1"] = SLOW
    runner.health["registry.example.org/build-2:1"] = BROKEN
    failing = await deploy("web", force_build=True)
    assert failing.status is DeploymentStatus.RUNNING
    assert failing.message == "what ran before is being put back"
    runner.health.clear()
    assert (await stepped(engine, failing)).status is DeploymentStatus.ERROR


async def test_a_cancelled_run_phase_puts_back_what_ran_before(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    await deploy("web")
    before = await images(runner)
    runner.health["registry.example.org/build-2:1"] = SLOW
    deployment = await deploy("web", force_build=True)
    assert await images(runner) != before
    await cancel(engine, deployment)
    deployment = await stepped(engine, deployment)
    assert deployment.status is DeploymentStatus.CANCELLED
    assert await images(runner) == before


async def test_with_keep_a_failure_leaves_things_as_they_are(
    deploy: Deploy, runner: ScriptedRunner
) -> None:
    await deploy("web", "api", "old")
    runner.health["web"] = BROKEN
    failed = await deploy("web", "api", force_build=True, on_failure=OnFailure.KEEP)
    assert failed.status is DeploymentStatus.ERROR
    assert {name: each.status for name, each in failed.runs.items()} == {
        "web": Status.ERROR,
        "api": Status.FINISHED,
        "old": Status.CANCELLED,
    }
    assert (await images(runner)).keys() == {"web", "api", "old"}
    assert (await images(runner))["web"] == "registry.example.org/build-4:1"


async def test_a_run_that_is_not_healthy_in_time_is_an_error(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine, clock: HandClock
) -> None:
    runner.health["web"] = SLOW
    deployment = await deploy("web")
    for _ in range(12):
        clock.turn(60)
        deployment = await stepped(engine, deployment, 1)
    deployment = await stepped(engine, deployment)
    assert deployment.status is DeploymentStatus.ERROR
    assert deployment.runs["web"].message.startswith("was not healthy within 10 min")


async def test_what_the_runner_rejects_is_an_error_and_everything_is_put_back(
    deploy: Deploy, runner: ScriptedRunner
) -> None:
    runner.refusals["web"] = RunRejected("deployment 'web' is there and not ours")
    deployment = await deploy("web", "api")
    assert deployment.status is DeploymentStatus.ERROR
    assert deployment.runs["web"].message.startswith("deployment 'web' is there and not ours")
    assert await images(runner) == {}


async def test_a_runner_that_does_not_answer_is_waited_for(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    runner.outage = RunnerUnavailable("connection refused")
    deployment = await deploy("web")
    assert deployment.status is DeploymentStatus.RUNNING
    answer = await show_deployment(engine, TOOL, deployment.id)
    assert any("connection refused" in each or "lately" in each for each in answer.warnings)
    runner.outage = None
    engine.runner_breaker._failures.clear()
    assert (await stepped(engine, deployment, 6)).status is DeploymentStatus.FINISHED


async def test_what_is_gone_is_started_again(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    runner.health["web"] = SLOW
    deployment = await deploy("web")
    runner.lose(TOOL, "web")
    runner.health.clear()
    deployment = await stepped(engine, deployment)
    assert deployment.status is DeploymentStatus.FINISHED
    assert (await images(runner)).keys() == {"web"}


async def test_components_that_the_configuration_no_longer_has_go_when_all_are_healthy(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    await deploy("web", "old")
    runner.health["web"] = SLOW
    deployment = await deploy("web", force_build=True)
    assert runner.removed == []
    runner.health.clear()
    deployment = await stepped(engine, deployment, 6)
    assert deployment.status is DeploymentStatus.FINISHED
    assert deployment.runs["old"].message == "was removed"
    assert (await images(runner)).keys() == {"web"}


async def test_a_deployment_of_selected_components_removes_nothing(
    deploy: Deploy, runner: ScriptedRunner
) -> None:
    await deploy("web", "api")
    deployment = await deploy("web", "new", components=["new"])
    assert deployment.status is DeploymentStatus.FINISHED
    assert (await images(runner)).keys() == {"web", "api", "new"}


async def test_what_runs_already_is_left_alone(
    deploy: Deploy, runner: ScriptedRunner, builder: ScriptedBuilder
) -> None:
    builder.commits["main"] = "a" * 40
    first = await deploy("web")
    second = await deploy("web")
    assert second.status is DeploymentStatus.FINISHED
    assert second.runs["web"].action is RunAction.LEAVE
    assert len(runner.applied) == 1
    assert (await runner.list(TOOL))["web"].origin == Origin(first.id, "a" * 40)


async def test_what_was_left_alone_is_not_put_back(
    deploy: Deploy, runner: ScriptedRunner, builder: ScriptedBuilder
) -> None:
    builder.commits["main"] = "a" * 40
    await deploy("web")
    runner.health["api"] = BROKEN
    failed = await deploy("web", api=component())
    assert failed.status is DeploymentStatus.ERROR
    assert failed.runs["web"].status is Status.FINISHED
    assert [each.component for each in runner.applied] == ["web", "api"]


async def test_with_force_run_what_runs_already_is_started_again(
    deploy: Deploy, runner: ScriptedRunner, builder: ScriptedBuilder
) -> None:
    builder.commits["main"] = "a" * 40
    await deploy("web")
    forced = await deploy("web", force_run=True)
    assert forced.runs["web"].action is RunAction.CHANGE
    assert runner.applied[-1].wanted.revision == forced.id
    again = await deploy("web")
    assert again.runs["web"].action is RunAction.LEAVE


async def test_a_retry_runs_what_did_not_run(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    runner.health["web"] = BROKEN
    failed = await deploy("web", "api")
    runner.health.clear()
    retried = (await retry_deployment(engine, TOOL, failed.id)).value
    retried = await stepped(engine, retried)
    assert retried.status is DeploymentStatus.FINISHED
    assert (await images(runner)).keys() == {"web", "api"}


async def test_a_rollback_runs_earlier_images_with_their_configuration(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    first = await deploy(web=component(replicas=2))
    before = (await runner.list(TOOL))["web"].wanted
    await deploy(web=component(replicas=5), force_build=True)
    assert (await runner.list(TOOL))["web"].wanted != before
    back = (await roll_back(engine, TOOL, first.id)).value
    back = await stepped(engine, back)
    assert back.status is DeploymentStatus.FINISHED
    assert (await runner.list(TOOL))["web"].wanted == before


async def test_a_refresh_in_the_run_phase_is_one_question(
    deploy: Deploy, runner: ScriptedRunner, engine: Engine
) -> None:
    runner.health = dict.fromkeys(("a", "b", "c"), SLOW)
    deployment = await deploy("a", "b", "c")
    runner.calls.clear()
    await stepped(engine, deployment, 1)
    assert runner.calls == {"list": 1}


async def test_without_a_runner_a_document_is_as_earlier_versions_have_it(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    engine = replace(engine, runner=NoRunner())
    await set_configuration(engine, TOOL, configuration("web"))
    made = (await create_deployment(engine, TOOL, DeployRequest())).value
    document = await store.get(TOOL, DEPLOYMENT, made.id)
    assert document.data["form"] == 1
    assert "runs" not in document.data
    finish(builder)
    assert (await stepped(engine, made, 1)).status is DeploymentStatus.FINISHED


@pytest.mark.parametrize("options", [{}, {"on_failure": OnFailure.KEEP}])
async def test_a_deployment_is_read_as_it_was_stored(
    options: dict[str, OnFailure], deploy: Deploy, engine: Engine, runner: ScriptedRunner
) -> None:
    await deploy(web=component(port=80, replicas=3), nightly=component(schedule="@daily"))
    runner.health["web"] = SLOW
    deployment = await deploy("web", force_build=True, **options)
    assert deployment.runs["web"].before
    document = await engine.store.get(TOOL, DEPLOYMENT, deployment.id)
    assert deployment_of(document) == deployment
