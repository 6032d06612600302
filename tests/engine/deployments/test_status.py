"""The status of a deployment, given its builds."""

import pytest

from backends.builders.base import BuildStatus
from components.engine.builds.model import Build
from components.engine.deployments.model import Deployment, DeploymentStatus
from tests.conftest import NOON
from tests.factories import TOOL, configuration, reusing

PENDING, RUNNING, FINISHED, ERROR, CANCELLED = BuildStatus


def deployment(*builds: Build, cancel_requested: bool = False) -> Deployment:
    """A deployment with these builds."""
    named = {f"c{n}": build for n, build in enumerate(builds)}
    return Deployment(TOOL, "id", NOON, configuration(*named), named, cancel_requested)


def launched(status: BuildStatus) -> Build:
    """A build that a builder has accepted."""
    return Build(status, id="b")


def test_a_deployment_without_a_launched_build_is_pending() -> None:
    assert deployment(Build(), Build()).status is DeploymentStatus.PENDING


def test_a_rejected_build_was_not_launched() -> None:
    assert deployment(Build(ERROR), Build()).status is DeploymentStatus.PENDING


@pytest.mark.parametrize("status", [PENDING, RUNNING])
def test_a_deployment_with_a_running_build_is_running(status: BuildStatus) -> None:
    assert deployment(launched(FINISHED), launched(status)).status is DeploymentStatus.RUNNING


def test_a_deployment_with_waiting_and_launched_builds_is_running() -> None:
    assert deployment(launched(FINISHED), Build()).status is DeploymentStatus.RUNNING


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([FINISHED, FINISHED], DeploymentStatus.FINISHED),
        ([FINISHED, ERROR, CANCELLED], DeploymentStatus.ERROR),
        ([FINISHED, CANCELLED], DeploymentStatus.CANCELLED),
    ],
)
def test_the_worst_final_status_counts(
    statuses: list[BuildStatus], expected: DeploymentStatus
) -> None:
    assert deployment(*map(launched, statuses)).status is expected
    assert expected.is_final


def test_a_cancelled_deployment_ends_as_cancelled() -> None:
    builds = (launched(FINISHED), launched(ERROR))
    assert deployment(*builds, cancel_requested=True).status is DeploymentStatus.CANCELLED


def test_a_component_that_reuses_a_build_shows_it() -> None:
    config = configuration("web", nightly=reusing("web"))
    build = Build(FINISHED, "b", "done", image="i")
    shown = Deployment(TOOL, "id", NOON, config, {"web": build}).all_builds
    assert list(shown) == ["web", "nightly"]
    assert shown["web"] == build
    assert shown["nightly"] == Build(FINISHED, "b", "reuses the build of 'web'", image="i")
