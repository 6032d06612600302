"""The states, and the sentences about them, of deployments on the second face."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from backends.status import Status
from components.engine.builds.model import Build
from components.engine.deployments.model import Deployment
from components.engine.runs.model import Run, RunAction
from components.engine.steps.model import Stop, StopReason
from components.http.toolforge.sentences import MAX_NAMED, long_status
from components.http.toolforge.translation import (
    MAX_CONFIGURATIONS,
    deployment_data,
    deployments_json,
)
from tests.conftest import NOON
from tests.factories import TOOL, configuration, reusing

PENDING, RUNNING, FINISHED, ERROR, CANCELLED = Status
BEFORE, AFTER = NOON - timedelta(minutes=1), NOON + timedelta(minutes=1)
STOP = Stop(StopReason.CANCELLED, NOON, "cancelled")


def deployment(runs: Mapping[str, Run] | None = None, **builds: Build) -> Deployment:
    """A deployment with these builds, and with runs where something is run."""
    return Deployment(TOOL, "id", NOON, configuration(*builds), builds, runs=runs or {})


def launched(status: Status, message: str = "", **details: object) -> Build:
    return Build(status, "b-1", message, **details)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (deployment(web=Build()), "pending"),
        (replace(deployment(web=Build()), queued=True), "pending"),
        (deployment(web=launched(RUNNING)), "running"),
        (deployment(web=launched(FINISHED)), "successful"),
        (deployment(web=launched(ERROR)), "failed"),
        (deployment(web=launched(ERROR), api=launched(ERROR, timed_out=True)), "timed_out"),
        (replace(deployment(web=launched(RUNNING)), cancel_requested=True), "cancelling"),
        (replace(deployment(web=launched(CANCELLED)), cancel_requested=True), "cancelled"),
        (deployment(web=launched(CANCELLED)), "cancelled"),
    ],
)
def test_a_deployment_has_one_of_the_published_states(found: Deployment, expected: str) -> None:
    assert deployment_data(found)["status"] == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (Build(), ("pending", "no-id-yet", "no-image-yet")),
        (launched(PENDING), ("pending", "b-1", "no-image-yet")),
        (launched(RUNNING), ("running", "b-1", "no-image-yet")),
        (launched(FINISHED, image="i"), ("successful", "b-1", "i")),
        (launched(ERROR), ("failed", "b-1", "no-image-yet")),
        (launched(CANCELLED), ("cancelled", "b-1", "no-image-yet")),
        (launched(FINISHED, image="i", reused="another"), ("skipped", "b-1", "i")),
        (launched(FINISHED, image="i", reused="another", ended=BEFORE), ("skipped", "b-1", "i")),
        (launched(FINISHED, image="i", reused="b-1", ended=AFTER), ("successful", "b-1", "i")),
        (launched(RUNNING, reused="b-1"), ("running", "b-1", "no-image-yet")),
    ],
)
def test_a_build_has_one_of_the_published_states(
    build: Build, expected: tuple[str, str, str]
) -> None:
    found = deployment_data(deployment(web=build))["builds"]["web"]
    assert (found["build_status"], found["build_id"], found["build_image"]) == expected


def test_a_component_that_uses_the_build_of_another_needs_none() -> None:
    given = configuration("web", worker=reusing("web"))
    builds = {"web": launched(FINISHED, image="i")}
    found = deployment_data(Deployment(TOOL, "id", NOON, given, builds))["builds"]
    assert list(found) == ["web", "worker"]
    assert found["worker"] == {
        "build_id": "no-build-needed",
        "build_status": "skipped",
        "build_image": "i",
        "build_long_status": "reuses the build of 'web'",
    }


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (Run(message="waits for the builds"), "pending"),
        (Run(RUNNING, "r", "is being rolled out"), "pending"),
        (Run(RUNNING, "r", "runs", healthy=True), "successful"),
        (Run(FINISHED, "r", "runs already"), "successful"),
        (Run(ERROR, "r", "crashes"), "failed"),
        (Run(CANCELLED, message="not started, since ..."), "skipped"),
        (Run(RUNNING, "r", "is being put back", stop=STOP, healthy=True), "pending"),
    ],
)
def test_a_run_has_one_of_the_published_states(run: Run, expected: str) -> None:
    found = deployment_data(deployment({"web": run}, web=launched(FINISHED)))["runs"]
    assert found == {"web": {"run_status": expected, "run_long_status": run.message}}


def test_what_is_removed_has_no_run_there() -> None:
    runs = {"web": Run(), "old": Run(action=RunAction.REMOVE)}
    assert list(deployment_data(deployment(runs, web=launched(FINISHED)))["runs"]) == ["web"]


@pytest.mark.parametrize(("status", "expected"), [(RUNNING, "pending"), (FINISHED, "skipped")])
def test_where_nothing_is_run_the_runs_end_with_the_builds(status: Status, expected: str) -> None:
    found = deployment_data(deployment(web=launched(status)))["runs"]["web"]
    assert found == {
        "run_status": expected,
        "run_long_status": "this service only builds, so nothing is started",
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            replace(deployment(web=Build()), queued=True),
            "Waits for its turn: it starts by itself when the deployments before it have ended.",
        ),
        (
            deployment(web=Build(message="waits for a free slot: full"), api=launched(FINISHED)),
            "1 of 2 builds have ended; waits for web (waits for a free slot: full).",
        ),
        (
            deployment({"web": Run(RUNNING, "r", "is being rolled out")}, web=launched(FINISHED)),
            "0 of 1 runs have ended; waits for web (is being rolled out).",
        ),
        (
            deployment(web=launched(ERROR, "no such ref"), api=launched(FINISHED)),
            "What failed: the build of web (no such ref). Look at the log of the build, mend what "
            "it names, and deploy again.",
        ),
        (
            deployment({"web": Run(ERROR, "r", "crashes")}, web=launched(FINISHED)),
            "What failed: the run of web (crashes). Look at the log of what does not run well, "
            "mend that, and deploy again.",
        ),
        (
            deployment(web=launched(ERROR, "took longer than 1 h", timed_out=True)),
            "Took longer than a deployment may take, and was ended. What failed: the build of web "
            "(took longer than 1 h). Deploy again; if that takes as long, ask the operators of the "
            "platform.",
        ),
        (
            replace(
                deployment(web=launched(RUNNING)), cancel_requested=True, reason="superseded by 'x'"
            ),
            "Is being cancelled: what runs for it is being ended, and nothing more starts. "
            "Superseded by 'x'.",
        ),
        (
            replace(deployment(web=launched(CANCELLED)), cancel_requested=True),
            "Was cancelled. What did not take place: the build of web.",
        ),
        (
            deployment(web=launched(FINISHED)),
            "Everything is built. This service starts nothing.",
        ),
        (
            deployment({"web": Run(FINISHED, "r")}, web=launched(FINISHED)),
            "Everything is built. All components run.",
        ),
        (
            replace(deployment(web=launched(RUNNING)), newer=True),
            "A newer version of the service manages this deployment, and not all of it is shown. "
            "0 of 1 builds have ended; waits for web.",
        ),
    ],
)
def test_the_long_status_says_what_goes_on_and_what_to_do(found: Deployment, expected: str) -> None:
    assert long_status(found) == expected


def test_the_long_status_is_short_however_many_components_fail() -> None:
    builds = {f"c{n}": launched(ERROR, "x" * 5000) for n in range(200)}
    text = long_status(deployment({}, **builds))
    assert f"and {200 - MAX_NAMED} more" in text
    assert len(text) < 3000


async def test_a_list_is_bounded_and_the_newest_have_their_configurations() -> None:
    large = configuration("web") | {"comment": "x" * 250_000}
    many = [
        Deployment(TOOL, f"id-{n}", NOON, large, {"web": launched(FINISHED)}) for n in range(30)
    ]
    text = await deployments_json(many)
    listed = json.loads(text)["deployments"]
    assert [each["deploy_id"] for each in listed] == [f"id-{n}" for n in reversed(range(30))]
    assert listed[-1]["tool_config"] == large
    assert listed[0]["tool_config"] is None
    assert len(text) < MAX_CONFIGURATIONS + 30 * 2000
