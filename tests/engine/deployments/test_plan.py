"""The next step of a deployment, given what is stored and the time."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from backends.builders.base import BuildStatus
from components.engine.builds.model import Build
from components.engine.context import Limits
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.plan import Plan, plan, to_ask
from components.engine.instant import Instant
from components.engine.steps.model import Claim, Doubt, Stop, StopReason
from components.engine.steps.plan import duration
from tests.conftest import NOON
from tests.factories import TOOL, configuration

LIMITS = Limits()
RUNNING = Build(BuildStatus.RUNNING, "one", started=NOON, seen=NOON)
STOPPED = Stop(StopReason.CANCELLED, NOON, "cancelled")


def at(seconds: float) -> datetime:
    """Return the time some seconds after the deployment was created."""
    return NOON + timedelta(seconds=seconds)


def claim(by: str = "me", since: float = 0, seconds: float = 60) -> Claim:
    """A claim that is valid for some seconds."""
    return Claim(by, at(since), at(since + seconds))


def of(build: Build, cancel: bool = False) -> Deployment:
    """A deployment of one build."""
    return Deployment(TOOL, "id", NOON, configuration("a"), {"a": build}, cancel)


def planned(
    build: Build,
    after: float = 0,
    cancel: bool = False,
    limits: Limits = LIMITS,
    start: bool = True,
    steady: timedelta = timedelta.max,
) -> Plan:
    """The next step of a deployment of one build, some seconds after it was created."""
    return plan(of(build, cancel), Instant(at(after), steady), "me", limits, start=start)


def seen(build: Build, after: float) -> Build:
    """A build for which the builder has reported the same state some seconds later."""
    return replace(build, seen=at(after))


def build_in(step: Plan) -> Build:
    return step.deployment.builds["a"]


def test_a_waiting_build_is_claimed_and_launched() -> None:
    step = planned(Build(), after=3)
    assert build_in(step) == Build(attempt=1, claim=claim(since=3))
    assert step.launch == ("a",)


def test_a_build_claimed_by_another_instance_is_left_to_it() -> None:
    claimed = Build(attempt=1, claim=claim("other"))
    step = planned(claimed, after=59)
    assert build_in(step) == claimed
    assert (step.launch, step.seek, step.cancel) == ((), (), ())


def test_an_expired_claim_is_taken_over_as_another_attempt() -> None:
    step = planned(Build(attempt=1, claim=claim("other")), after=60)
    assert build_in(step) == Build(
        attempt=2, claim=claim(since=60), doubt=Doubt(NOON, settles=at(60))
    )
    assert step.launch == ("a",)


def test_the_first_attempt_with_an_unknown_outcome_is_remembered() -> None:
    doubtful = Build(attempt=2, claim=claim("other", 60), doubt=Doubt(NOON, at(60)))
    assert build_in(planned(doubtful, after=200)).doubt == Doubt(NOON, settles=at(120))


def test_a_claim_ends_at_the_time_that_its_owner_has_set() -> None:
    claimed = Build(attempt=1, claim=claim("other", seconds=300))
    assert planned(claimed, after=299).launch == ()
    assert planned(claimed, after=300).launch == ("a",)


DOUBTFUL = Build(attempt=1, doubt=Doubt(NOON, settles=at(180)))
NO_KEYS = Limits(settling=timedelta(seconds=120), knows_keys=False)


def test_with_keys_a_build_in_doubt_is_started_again() -> None:
    assert planned(DOUBTFUL, after=1).launch == ("a",)


def test_without_keys_a_build_in_doubt_is_only_searched_for() -> None:
    for after in (1, 179, 1000):
        step = planned(DOUBTFUL, after=after, limits=NO_KEYS)
        assert (step.launch, step.seek) == ((), ("a",))


def test_a_doubt_settles_some_time_after_the_end_of_the_last_attempt() -> None:
    claimed = Build(attempt=1, claim=claim("other"))
    step = planned(claimed, after=60, limits=NO_KEYS)
    assert build_in(step).doubt == Doubt(NOON, settles=at(60 + 120))


def test_nothing_is_claimed_while_the_builder_does_not_respond() -> None:
    assert planned(Build(), after=3, start=False).launch == ()


def test_an_accepted_build_is_queried() -> None:
    assert to_ask(of(RUNNING)) == ("a",)
    assert build_in(planned(RUNNING)) == RUNNING


def test_a_build_to_be_stopped_is_only_queried_after_its_cancellation() -> None:
    assert to_ask(of(RUNNING, cancel=True)) == ()
    assert to_ask(of(replace(RUNNING, stop=STOPPED))) == ()


def test_a_final_build_is_left_alone() -> None:
    final = Build(BuildStatus.FINISHED, "one")
    assert build_in(planned(final, after=10_000, cancel=True)) == final


def test_a_build_that_was_never_started_is_cancelled_at_once() -> None:
    step = planned(Build(message="waits for a free slot"), cancel=True)
    assert build_in(step).status is BuildStatus.CANCELLED
    assert build_in(step).message == "cancelled before it was started"
    assert step.deployment.status is DeploymentStatus.CANCELLED


def test_a_running_build_is_cancelled() -> None:
    step = planned(RUNNING, cancel=True)
    assert build_in(step) == replace(RUNNING, stop=STOPPED, message="is being cancelled")
    assert step.cancel == ("a",)


def test_a_build_that_is_being_started_is_not_stopped_before_its_outcome_is_known() -> None:
    step = planned(Build(attempt=1, claim=claim("other")), after=1, cancel=True)
    assert not build_in(step).status.is_final
    assert (step.launch, step.seek) == ((), ())


def test_a_build_that_may_have_been_started_is_searched_for_before_it_is_cancelled() -> None:
    step = planned(Build(attempt=1, claim=claim("other")), after=60, cancel=True)
    assert not build_in(step).status.is_final
    assert (step.launch, step.seek) == ((), ("a",))


@pytest.mark.parametrize("build", [RUNNING, DOUBTFUL])
def test_a_build_without_a_confirmed_end_is_abandoned_and_still_cancelled(
    build: Build,
) -> None:
    step = planned(replace(build, stop=STOPPED), after=60, cancel=True)
    assert build_in(step).status is BuildStatus.CANCELLED
    assert build_in(step).message.endswith("so it may still run")
    assert step.deployment.status is DeploymentStatus.CANCELLED
    assert "builds may still run" in step.deployment.message
    assert not step.deployment.is_settled
    again = plan(step.deployment, Instant(at(10_000)), "me", LIMITS)
    assert again.cancel == ((("a",)) if build.id else ())
    assert again.seek == (() if build.id else ("a",))


def test_a_build_that_times_out_is_cancelled() -> None:
    assert planned(seen(RUNNING, 1799), after=1799).cancel == ()
    step = planned(seen(RUNNING, 1800), after=1800)
    assert step.cancel == ("a",)
    assert build_in(step).stop == Stop(
        StopReason.BUILD_TIMEOUT,
        at(1800),
        "the build took longer than 30 min: cancelled",
    )


def test_a_build_without_a_recent_report_does_not_time_out() -> None:
    assert planned(seen(RUNNING, 1799), after=9000).cancel == ()


def test_time_in_which_the_builder_could_not_be_queried_does_not_count() -> None:
    away = replace(seen(RUNNING, 2400), unasked=timedelta(seconds=700))
    assert planned(away, after=2400).cancel == ()
    assert planned(seen(away, 2500), after=2500).cancel == ("a",)


def test_nothing_times_out_after_a_clock_jump() -> None:
    just = timedelta(seconds=30)
    late = seen(RUNNING, 3600)
    assert planned(late, after=3600, steady=just).cancel == ()
    assert planned(late, after=3600, steady=timedelta(seconds=1800)).cancel == ("a",)
    claimed = Build(attempt=1, claim=claim("other"))
    assert planned(claimed, after=3600, steady=just).launch == ()
    assert planned(claimed, after=3600, steady=timedelta(seconds=60)).launch == ("a",)
    given_up = replace(late, stop=STOPPED)
    assert not build_in(planned(given_up, after=3600, cancel=True, steady=just)).status.is_final


def test_waiting_for_a_slot_does_not_count_for_the_build_timeout() -> None:
    assert planned(Build(), after=3000).launch == ("a",)


def test_a_deployment_that_times_out_stops_running_and_waiting_builds() -> None:
    step = planned(Build(), after=3600)
    assert build_in(step).status is BuildStatus.ERROR
    assert build_in(step).message == "the deployment took longer than 1 h: cancelled"
    running = replace(seen(RUNNING, 3600), started=at(3000))
    assert planned(running, after=3600).cancel == ("a",)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (45, "45 s"), (90, "1 min 30 s"), (5400, "1 h 30 min")]
)
def test_a_duration_is_formatted_for_users(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text
