"""The next step of a deployment, by what is stored and what time it is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from backends.builders.base import BuildStatus
from components.engine.context import Limits
from components.engine.model import Build, Claim, Deployment, DeploymentStatus, Stop, StopReason
from components.engine.plan import Plan, duration, plan
from tests.conftest import NOON
from tests.factories import TOOL, configuration

LIMITS = Limits()
RUNNING = Build(BuildStatus.RUNNING, "one", started=NOON)
STOPPED = Stop(StopReason.CANCELLED, NOON, "cancelled")


def planned(build: Build, after: float = 0, cancel: bool = False, by: str = "me") -> Plan:
    """The next step of a deployment of one build, some seconds after it was created."""
    deployment = Deployment(TOOL, "id", NOON, configuration("a"), {"a": build}, cancel)
    return plan(deployment, NOON + timedelta(seconds=after), by, LIMITS)


def build_in(step: Plan) -> Build:
    return step.deployment.builds["a"]


def test_what_waits_is_claimed_and_launched() -> None:
    step = planned(Build(), after=3)
    assert build_in(step) == Build(attempt=1, claim=Claim("me", NOON + timedelta(seconds=3)))
    assert step.launch == ("a",)


def test_what_another_has_claimed_is_left_to_it() -> None:
    claimed = Build(attempt=1, claim=Claim("other", NOON))
    step = planned(claimed, after=59)
    assert build_in(step) == claimed
    assert (step.launch, step.seek, step.cancel, step.ask) == ((), (), (), ())


def test_a_claim_that_is_too_old_is_taken_over_as_another_attempt() -> None:
    step = planned(Build(attempt=1, claim=Claim("other", NOON)), after=60)
    claim = Claim("me", NOON + timedelta(seconds=60))
    assert build_in(step) == Build(attempt=2, claim=claim, uncertain=NOON)
    assert step.launch == ("a",)


def test_the_first_uncertain_attempt_stays_known() -> None:
    claim = Claim("other", NOON + timedelta(seconds=60))
    step = planned(Build(attempt=2, claim=claim, uncertain=NOON), after=200)
    assert build_in(step).uncertain == NOON


def test_what_a_builder_has_is_asked_for() -> None:
    step = planned(RUNNING)
    assert build_in(step) == RUNNING
    assert step.ask == ("a",)


def test_what_is_final_is_left_alone() -> None:
    final = Build(BuildStatus.FINISHED, "one")
    assert build_in(planned(final, after=10_000, cancel=True)) == final


def test_what_was_never_started_is_cancelled_at_once() -> None:
    step = planned(Build(message="waits for a free slot"), cancel=True)
    assert build_in(step).status is BuildStatus.CANCELLED
    assert build_in(step).message == "cancelled before it was started"
    assert step.deployment.status is DeploymentStatus.CANCELLED


def test_what_runs_is_told_to_end() -> None:
    step = planned(RUNNING, cancel=True)
    assert build_in(step) == replace(RUNNING, stop=STOPPED, message="is being cancelled")
    assert (step.cancel, step.ask) == (("a",), ())


def test_what_somebody_is_starting_is_left_to_say_what_became_of_it() -> None:
    step = planned(Build(attempt=1, claim=Claim("other", NOON)), after=1, cancel=True)
    assert not build_in(step).status.is_final
    assert (step.launch, step.seek) == ((), ())


def test_what_may_have_been_started_is_sought_before_it_is_cancelled() -> None:
    step = planned(Build(attempt=1, claim=Claim("other", NOON)), after=60, cancel=True)
    assert not build_in(step).status.is_final
    assert (step.launch, step.seek) == ((), ("a",))


@pytest.mark.parametrize("build", [RUNNING, Build(uncertain=NOON)])
def test_nobody_waits_for_ever_for_the_end_of_what_was_told_to_end(build: Build) -> None:
    step = planned(replace(build, stop=STOPPED), after=60, cancel=True)
    assert build_in(step).status is BuildStatus.CANCELLED


def test_a_build_that_takes_too_long_is_told_to_end() -> None:
    assert planned(RUNNING, after=1799).ask == ("a",)
    step = planned(RUNNING, after=1800)
    assert step.cancel == ("a",)
    assert build_in(step).stop == Stop(
        StopReason.BUILD_TIMEOUT,
        NOON + timedelta(seconds=1800),
        "the build took longer than 30 min: cancelled",
    )


def test_waiting_for_a_slot_does_not_count_to_a_builds_time() -> None:
    assert planned(Build(), after=3000).launch == ("a",)


def test_a_deployment_that_takes_too_long_ends_what_runs_and_what_waits() -> None:
    step = planned(Build(), after=3600)
    assert build_in(step).status is BuildStatus.ERROR
    assert build_in(step).message == "the deployment took longer than 1 h: cancelled"
    running = replace(RUNNING, started=NOON + timedelta(seconds=3000))
    assert planned(running, after=3600).cancel == ("a",)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (45, "45 s"), (90, "1 min 30 s"), (5400, "1 h 30 min")]
)
def test_a_length_of_time_is_told_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text
