"""What a deployment does with each component, as a function of what runs."""

from dataclasses import replace
from typing import Any

import pytest

from backends.runners.base import Fence, Health, Origin, Running, RunSpec, Wanted
from backends.status import Status
from components.engine.builds.model import Build
from components.engine.deployments.model import Deployment
from components.engine.runs.beginning import begun_runs
from components.engine.runs.model import Before, Run, RunAction
from tests.conftest import NOON
from tests.factories import TOOL, configuration

IMAGE = "registry.example.org/web@sha256:1"
WANTED = Wanted(IMAGE, RunSpec("start"))
ORIGIN = Origin("earlier", "c" * 40)
RUNNING = Running("web", Health.HEALTHY, "", WANTED, ORIGIN, Fence(NOON, "earlier"), 1, 1)
REUSED = Build(Status.FINISHED, "b", image=IMAGE, digest="sha256:1", reused="earlier")


def begun(there: Running | None = RUNNING, build: Build = REUSED, **options: Any) -> dict[str, Run]:
    deployment = Deployment(
        TOOL, "id", NOON, configuration("web"), {"web": build}, runs={"web": Run()}, **options
    )
    running = {there.component: there} if there else {}
    return begun_runs(deployment, running, NOON, unique_images=False)


def test_what_does_not_run_is_started() -> None:
    run = begun(None)["web"]
    assert (run.action, run.image, run.before) == (RunAction.START, IMAGE, None)


def test_what_runs_already_is_left_alone_and_has_finished() -> None:
    run = begun()["web"]
    assert (run.action, run.status, run.ready) == (RunAction.LEAVE, Status.FINISHED, 1)


@pytest.mark.parametrize(
    "there",
    [
        replace(RUNNING, wanted=replace(WANTED, image="another")),
        replace(RUNNING, wanted=replace(WANTED, spec=RunSpec("another"))),
    ],
)
def test_what_is_different_is_changed_and_what_ran_is_kept(there: Running) -> None:
    run = begun(there)["web"]
    assert there.wanted
    assert (run.action, run.before) == (RunAction.CHANGE, Before(there.wanted, ORIGIN))
    assert run.status is Status.PENDING


def test_a_new_build_of_the_same_image_is_started_again() -> None:
    run = begun(build=replace(REUSED, reused=None))["web"]
    assert (run.action, run.revision) == (RunAction.CHANGE, "b")


def test_a_forced_run_is_started_again() -> None:
    run = begun(force_run=True)["web"]
    assert (run.action, run.revision) == (RunAction.CHANGE, "id")


@pytest.mark.parametrize(
    "there",
    [
        replace(RUNNING, health=Health.FAILED),
        replace(RUNNING, drift=("deployment web: spec.replicas (kubectl)",)),
    ],
)
def test_what_is_not_as_it_should_be_is_put_right_without_being_started_again(
    there: Running,
) -> None:
    there = replace(there, wanted=replace(WANTED, revision="forced before"))
    run = begun(there)["web"]
    assert (run.action, run.revision) == (RunAction.CHANGE, "forced before")


def test_an_image_that_is_known_by_a_name_alone_carries_the_build_that_made_it() -> None:
    build = replace(REUSED, image="registry.example.org/web:latest", digest=None)
    assert begun(None, build)["web"].revision == "b"


def test_what_the_configuration_no_longer_has_is_removed() -> None:
    old = replace(RUNNING, component="old")
    assert begun(old)["old"].action is RunAction.REMOVE
    assert begun(old)["old"].before == Before(WANTED, ORIGIN)


def test_a_deployment_of_selected_components_removes_nothing() -> None:
    assert "old" not in begun(replace(RUNNING, component="old"), selected=True)


def test_what_cannot_be_read_is_changed_and_cannot_be_put_back() -> None:
    run = begun(replace(RUNNING, wanted=None, origin=None))["web"]
    assert (run.action, run.before) == (RunAction.CHANGE, None)
