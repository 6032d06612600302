"""Whole deployments with both of Toolforge's services: builds first, then jobs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any, TypeAlias

import pytest
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.toolforge import ToolforgeBuilder
from backends.runners.toolforge import ToolforgeRunner
from components.configuration.problems import InvalidConfiguration
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.creation.preview import preview_deployment
from components.engine.deployments.model import Deployment, DeploymentStatus, OnFailure
from components.engine.deployments.operations import cancel_deployment
from components.engine.errors import NotRunning
from components.engine.loop.refreshing import Refresher
from components.engine.runs.model import RunAction
from components.engine.runs.operations import (
    restart_component,
    running_log,
    show_running,
    start_component,
    stop_components,
)
from tests.builders.toolforge.builds_service import BuildsService
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.factories import TOOL, component, configuration
from tests.runners.toolforge.jobs_service import JobsService
from tests.stores.counting import CountingStore

Deploy: TypeAlias = Callable[..., Awaitable[Deployment]]


@pytest.fixture
def builds() -> BuildsService:
    return BuildsService(slots=100, kept=100, successes_kept=100)


@pytest.fixture
async def engine(
    aiohttp_server: AiohttpServer,
    runner: ToolforgeRunner,
    builds: BuildsService,
    store: CountingStore,
) -> AsyncIterator[Engine]:
    """An engine whose builder and runner use both services."""
    gateway = (await aiohttp_server(builds.app())).make_url("/")
    builder = ToolforgeBuilder(gateway / "builds", within=1)
    await builder.open()
    yield Engine(
        store, builder, deployments_kept=9, builder_timeout=15, random=Random(1), runner=runner
    )
    await builder.close()


@pytest.fixture
def deploy(engine: Engine, builds: BuildsService, clock: HandClock) -> Deploy:
    """Deploy components, let their builds finish, and return the deployment after some steps."""

    async def deploy_(*names: str, steps: int = 4, **given: Any) -> Deployment:
        options = {each: given.pop(each) for each in _OPTIONS if each in given}
        clock.turn(60)  # no two are accepted at the same time
        await set_configuration(engine, TOOL, configuration(*names, **given))
        made = (await create_deployment(engine, TOOL, DeployRequest(**options))).value
        for build in builds.builds:
            if not build.is_final:
                build.end("BUILD_SUCCESS")
        return await stepped(engine, clock, made, steps)

    return deploy_


_OPTIONS = ("components", "force_build", "force_run", "on_failure")


async def stepped(
    engine: Engine, clock: HandClock, deployment: Deployment, steps: int = 4
) -> Deployment:
    """Return a deployment after it was reconciled a few times."""
    for _ in range(steps):
        clock.turn(2)
        deployment = (await show_deployment(engine, TOOL, deployment.id)).value
    return deployment


def image(name: str) -> str:
    return f"registry.example.org/tool-{TOOL}/{name}:latest"


async def test_each_component_becomes_a_job_with_what_its_run_part_has(
    deploy: Deploy, service: JobsService
) -> None:
    health = {"port": 8000, "replicas": 2, "health_check_http": "/up", "mount": "all"}
    deployment = await deploy(
        web=component(**health),
        nightly=component(schedule="0 3 * * *", timeout=60, retry=2, emails="onfailure"),
    )
    assert deployment.status is DeploymentStatus.FINISHED
    assert {each["name"]: each for each in service.bodies} == {
        "web": {
            "name": "web",
            "job_type": "continuous",
            "cmd": "start",
            "imagename": image("web"),
            "port": 8000,
            "replicas": 2,
            "mount": "all",
            "health_check": {"type": "http", "path": "/up"},
        },
        "nightly": {
            "name": "nightly",
            "job_type": "scheduled",
            "cmd": "start",
            "imagename": image("nightly"),
            "schedule": "0 3 * * *",
            "timeout": 60,
            "retry": 2,
            "emails": "onfailure",
        },
    }


async def test_no_job_is_touched_where_a_build_fails(
    engine: Engine, builds: BuildsService, service: JobsService, clock: HandClock
) -> None:
    await set_configuration(engine, TOOL, configuration("web", "worker"))
    made = (await create_deployment(engine, TOOL)).value
    for build, end in zip(builds.builds, ("SUCCESS", "FAILURE"), strict=True):
        build.end(f"BUILD_{end}")
    deployment = await stepped(engine, clock, made)
    assert deployment.status is DeploymentStatus.ERROR
    assert service.changes == []


async def test_a_deployment_waits_until_each_job_runs(
    deploy: Deploy, service: JobsService, engine: Engine, clock: HandClock
) -> None:
    deployment = await deploy("slow", "web")
    assert deployment.status is DeploymentStatus.RUNNING
    assert "is pending: initializing" in deployment.runs["slow"].message
    service.come_up(TOOL, "slow")
    assert (await stepped(engine, clock, deployment)).status is DeploymentStatus.FINISHED


async def test_a_new_build_of_the_same_image_name_restarts_its_job_once(
    deploy: Deploy, service: JobsService
) -> None:
    await deploy("web", nightly=component(schedule="@daily"))
    deployment = await deploy("web", nightly=component(schedule="@daily"))
    assert deployment.status is DeploymentStatus.FINISHED
    assert sorted(service.changes) == ["create nightly", "create web", "restart web"]


async def test_a_changed_job_is_not_restarted_besides(deploy: Deploy, service: JobsService) -> None:
    await deploy("web")
    await deploy(web=component(cpu="2"))
    assert service.changes == ["create web", "change web"]


async def test_what_fails_ends_the_deployment_and_all_are_put_back(
    deploy: Deploy, service: JobsService
) -> None:
    first = await deploy("web", "worker")
    before = {name: job.given for (_, name), job in service.jobs.items()}
    deployment = await deploy(
        "crash", web=component(cpu="2"), worker=component(memory="1Gi"), steps=8
    )
    assert deployment.status is DeploymentStatus.ERROR
    assert deployment.message == "what ran before was put back"
    assert "exit code 1" in deployment.runs["crash"].message
    assert "nothing ran before, so nothing runs now" in deployment.runs["crash"].message
    assert deployment.runs["web"].message == (
        f"'crash' failed; the version of {first.id!r}, with the new image of the same name, "
        "runs again"
    )
    assert {name: job.given for (_, name), job in service.jobs.items()} == before


async def test_what_fails_is_kept_where_that_is_asked_for(
    deploy: Deploy, service: JobsService
) -> None:
    deployment = await deploy("crash", "web", on_failure=OnFailure.KEEP)
    assert deployment.status is DeploymentStatus.ERROR
    assert {name for _, name in service.jobs} == {"crash", "web"}


async def test_a_job_whose_image_has_the_same_name_as_before_cannot_be_put_back_and_says_so(
    deploy: Deploy, service: JobsService
) -> None:
    await deploy("web")
    deployment = await deploy("web", "crash", steps=8)
    assert deployment.status is DeploymentStatus.ERROR
    run = deployment.runs["web"]
    assert run.message == (
        "'crash' failed; its image has the same name as before, so this was left as it is"
    )
    assert not run.was_put_back
    assert service.changes.count("restart web") == 1


async def test_what_the_service_refuses_fails_with_its_words(
    deploy: Deploy, service: JobsService
) -> None:
    service.refuses["web"] = "You have reached your quota of jobs"
    deployment = await deploy("web")
    assert deployment.status is DeploymentStatus.ERROR
    assert deployment.runs["web"].message.startswith("You have reached your quota of jobs")


async def test_a_component_that_is_gone_is_removed_only_if_this_service_made_it(
    deploy: Deploy, service: JobsService
) -> None:
    service.put(TOOL, "foreign")
    await deploy("web", "old")
    deployment = await deploy("web", steps=6)
    assert deployment.status is DeploymentStatus.FINISHED
    assert deployment.runs.keys() == {"web", "old"}
    assert {name for _, name in service.jobs} == {"foreign", "web"}


async def test_what_its_deployments_are_not_kept_of_is_left_alone(
    deploy: Deploy, engine: Engine, service: JobsService
) -> None:
    deployment = await deploy("web", "old")
    document = await engine.store.get(TOOL, "deployment", deployment.id)
    await engine.store.delete(TOOL, "deployment", deployment.id, document.version)
    await deploy("web", steps=6)
    assert {name for _, name in service.jobs} == {"old", "web"}


async def test_a_job_that_somebody_else_made_is_taken_over_and_put_back_if_that_fails(
    deploy: Deploy, service: JobsService
) -> None:
    service.put(TOOL, "web", cmd="old-command", cpu="1")
    before = dict(service.jobs[TOOL, "web"].given)
    failed = await deploy("web", "crash", steps=8)
    assert failed.status is DeploymentStatus.ERROR
    assert failed.runs["web"].message == "'crash' failed; what ran before runs again"
    assert service.jobs[TOOL, "web"].given == before
    deployment = await deploy("web")
    assert deployment.status is DeploymentStatus.FINISHED
    assert deployment.runs["web"].action is RunAction.CHANGE
    assert service.jobs[TOOL, "web"].given["imagename"] == image("web")


async def test_what_was_put_back_belongs_to_the_deployment_that_made_it(
    deploy: Deploy, engine: Engine
) -> None:
    first = await deploy("web")
    await deploy("crash", web=component(cpu="2"), steps=8)
    running = (await show_running(engine, TOOL)).value
    assert running.keys() == {"web"}
    assert running["web"].deploy_id == first.id
    assert running["web"].drift == ()


@pytest.mark.parametrize("status", ["failed", "running"])
async def test_for_a_moment_a_status_from_before_the_change_does_not_count(
    deploy: Deploy, engine: Engine, service: JobsService, clock: HandClock, status: str
) -> None:
    first = await deploy("slow", steps=3)
    service.come_up(TOOL, "slow")
    await stepped(engine, clock, first)
    since = service.jobs[TOOL, "slow"].since
    deployment = await deploy(slow=component(cpu="2"), steps=3)
    job = service.jobs[TOOL, "slow"]
    assert job.given["cpu"] == "2"
    job.status, job.since = status, since
    deployment = await stepped(engine, clock, deployment, 2)
    assert deployment.runs["slow"].stop is None
    assert not deployment.runs["slow"].healthy
    deployment = await stepped(engine, clock, deployment, 3)
    assert deployment.runs["slow"].stop or deployment.status is DeploymentStatus.FINISHED


async def test_a_service_that_writes_commands_in_its_own_way_is_believed_that_it_put_them_back(
    deploy: Deploy, service: JobsService
) -> None:
    await deploy("web")
    before = dict(service.jobs[TOOL, "web"].given)
    service.shown = lambda job: {**job, "cmd": f"launcher {job['cmd']}"}
    deployment = await deploy("crash", web=component(cpu="2"), steps=8)
    assert deployment.status is DeploymentStatus.ERROR
    assert deployment.is_settled
    assert deployment.runs["web"].was_put_back
    assert service.jobs[TOOL, "web"].given == before


async def test_what_somebody_has_changed_is_told_and_put_right(
    deploy: Deploy, engine: Engine, service: JobsService
) -> None:
    await deploy(web=component(cpu="2"))
    service.jobs[TOOL, "web"].given["cpu"] = "3"
    running = (await show_running(engine, TOOL)).value
    assert running["web"].drift == ("cpu: is '3', and was '2'",)
    await deploy(web=component(cpu="2"))
    assert service.jobs[TOOL, "web"].given["cpu"] == "2"


async def test_only_what_this_service_made_is_shown_restarted_logged_and_stopped(
    deploy: Deploy, engine: Engine, service: JobsService
) -> None:
    service.put(TOOL, "foreign")
    service.put(TOOL, "planned", job_type="scheduled", schedule="@daily")
    await deploy("web")
    assert (await show_running(engine, TOOL)).value.keys() == {"web"}
    for attempt in (
        restart_component(engine, TOOL, "foreign"),
        start_component(engine, TOOL, "planned"),
        stop_components(engine, TOOL, "foreign"),
        running_log(engine, TOOL, "foreign"),
    ):
        with pytest.raises(NotRunning):
            await attempt
    await restart_component(engine, TOOL, "web")
    await stop_components(engine, TOOL)
    assert service.changes == ["create web", "restart web", "delete web"]
    assert {name for _, name in service.jobs} == {"foreign", "planned"}


async def test_a_cancelled_run_phase_puts_back_what_ran(
    deploy: Deploy, engine: Engine, service: JobsService, clock: HandClock
) -> None:
    await deploy("web")
    before = dict(service.jobs[TOOL, "web"].given)
    deployment = await deploy("slow", web=component(cpu="2"))
    assert deployment.status is DeploymentStatus.RUNNING
    await cancel(engine, deployment)
    deployment = await stepped(engine, clock, deployment, 8)
    assert deployment.status is DeploymentStatus.CANCELLED
    assert service.jobs[TOOL, "web"].given == before


async def test_a_job_that_is_lost_is_made_again(
    deploy: Deploy, engine: Engine, service: JobsService, clock: HandClock
) -> None:
    deployment = await deploy("slow")
    del service.jobs[TOOL, "slow"]
    deployment = await stepped(engine, clock, deployment)
    service.come_up(TOOL, "slow")
    assert (await stepped(engine, clock, deployment)).status is DeploymentStatus.FINISHED


async def test_a_dry_run_says_what_would_become_of_the_jobs(
    deploy: Deploy, engine: Engine, service: JobsService
) -> None:
    service.put(TOOL, "foreign")
    await deploy("web", "old")
    await set_configuration(engine, TOOL, configuration("web", "new"))
    preview = (await preview_deployment(engine, TOOL, DeployRequest())).value
    assert {name: each.action for name, each in preview.runs.items()} == {
        "web": RunAction.CHANGE,
        "new": RunAction.START,
        "old": RunAction.REMOVE,
    }


async def test_a_name_that_is_too_long_for_a_job_is_told_before_anything_is_built(
    engine: Engine, builds: BuildsService
) -> None:
    name = "a" * 53
    await set_configuration(engine, TOOL, configuration(name))
    with pytest.raises(InvalidConfiguration) as caught:
        await create_deployment(engine, TOOL)
    (problem,) = caught.value.problems
    assert problem.path == ("components", name)
    assert problem.message == "the name of a job has at most 52 characters, and this has 53"
    assert builds.builds == []


async def test_fifty_jobs_are_made_at_once(deploy: Deploy, service: JobsService) -> None:
    deployment = await deploy(*(f"c{number}" for number in range(50)))
    assert deployment.status is DeploymentStatus.FINISHED
    assert len(service.changes) == 50


async def cancel(engine: Engine, deployment: Deployment) -> None:
    refresher = Refresher(engine)
    try:
        await cancel_deployment(engine, refresher, TOOL, deployment.id)
    finally:
        await refresher.close()
