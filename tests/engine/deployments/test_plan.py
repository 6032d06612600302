"""The next step of a deployment, by what is stored and what time it is."""

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
    """The time some seconds after the deployment was created."""
    return NOON + timedelta(seconds=seconds)


def claim(by: str = "me", since: float = 0, seconds: float = 60) -> Claim:
    """A claim that lasts for some seconds."""
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
    """A build of which the builder has said the same again, some seconds later."""
    return replace(build, seen=at(after))


def build_in(step: Plan) -> Build:
    return step.deployment.builds["a"]


def test_what_waits_is_claimed_and_launched() -> None:
    step = planned(Build(), after=3)
    assert build_in(step) == Build(attempt=1, claim=claim(since=3))
    assert step.launch == ("a",)


def test_what_another_has_claimed_is_left_to_it() -> None:
    claimed = Build(attempt=1, claim=claim("other"))
    step = planned(claimed, after=59)
    assert build_in(step) == claimed
    assert (step.launch, step.seek, step.cancel) == ((), (), ())


def test_a_claim_that_is_too_old_is_taken_over_as_another_attempt() -> None:
    step = planned(Build(attempt=1, claim=claim("other")), after=60)
    assert build_in(step) == Build(
        attempt=2, claim=claim(since=60), doubt=Doubt(NOON, settles=at(60))
    )
    assert step.launch == ("a",)


def test_the_first_uncertain_attempt_stays_known() -> None:
    doubtful = Build(attempt=2, claim=claim("other", 60), doubt=Doubt(NOON, at(60)))
    assert build_in(planned(doubtful, after=200)).doubt == Doubt(NOON, settles=at(120))


def test_a_claim_ends_when_its_claimer_has_said_whatever_this_instances_limit_is() -> None:
    claimed = Build(attempt=1, claim=claim("other", seconds=300))
    assert planned(claimed, after=299).launch == ()
    assert planned(claimed, after=300).launch == ("a",)


DOUBTFUL = Build(attempt=1, doubt=Doubt(NOON, settles=at(180)))
NO_KEYS = Limits(settling=timedelta(seconds=120), knows_keys=False)


def test_a_builder_that_knows_keys_is_asked_to_start_again_what_is_in_doubt() -> None:
    assert planned(DOUBTFUL, after=1).launch == ("a",)


def test_what_is_in_doubt_is_only_sought_where_a_second_start_would_make_a_second_build() -> None:
    for after in (1, 179, 1000):
        step = planned(DOUBTFUL, after=after, limits=NO_KEYS)
        assert (step.launch, step.seek) == ((), ("a",))


def test_a_doubt_settles_some_time_after_the_last_moment_at_which_anything_was_asked() -> None:
    claimed = Build(attempt=1, claim=claim("other"))
    step = planned(claimed, after=60, limits=NO_KEYS)
    assert build_in(step).doubt == Doubt(NOON, settles=at(60 + 120))


def test_nothing_is_claimed_while_the_builder_does_not_answer() -> None:
    assert planned(Build(), after=3, start=False).launch == ()


def test_what_a_builder_has_is_asked_for() -> None:
    assert to_ask(of(RUNNING)) == ("a",)
    assert build_in(planned(RUNNING)) == RUNNING


def test_what_is_to_end_is_asked_for_after_it_was_told_to() -> None:
    assert to_ask(of(RUNNING, cancel=True)) == ()
    assert to_ask(of(replace(RUNNING, stop=STOPPED))) == ()


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
    assert step.cancel == ("a",)


def test_what_somebody_is_starting_is_left_to_say_what_became_of_it() -> None:
    step = planned(Build(attempt=1, claim=claim("other")), after=1, cancel=True)
    assert not build_in(step).status.is_final
    assert (step.launch, step.seek) == ((), ())


def test_what_may_have_been_started_is_sought_before_it_is_cancelled() -> None:
    step = planned(Build(attempt=1, claim=claim("other")), after=60, cancel=True)
    assert not build_in(step).status.is_final
    assert (step.launch, step.seek) == ((), ("a",))


@pytest.mark.parametrize("build", [RUNNING, DOUBTFUL])
def test_what_is_not_confirmed_to_have_ended_is_given_up_and_ended_all_the_same(
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


def test_a_build_that_takes_too_long_is_told_to_end() -> None:
    assert planned(seen(RUNNING, 1799), after=1799).cancel == ()
    step = planned(seen(RUNNING, 1800), after=1800)
    assert step.cancel == ("a",)
    assert build_in(step).stop == Stop(
        StopReason.BUILD_TIMEOUT,
        at(1800),
        "the build took longer than 30 min: cancelled",
    )


def test_what_the_builder_has_not_been_asked_for_does_not_take_too_long() -> None:
    assert planned(seen(RUNNING, 1799), after=9000).cancel == ()


def test_time_in_which_the_builder_could_not_be_asked_does_not_count() -> None:
    away = replace(seen(RUNNING, 2400), unasked=timedelta(seconds=700))
    assert planned(away, after=2400).cancel == ()
    assert planned(seen(away, 2500), after=2500).cancel == ("a",)


def test_a_clock_that_has_just_jumped_ends_nothing() -> None:
    just = timedelta(seconds=30)
    late = seen(RUNNING, 3600)
    assert planned(late, after=3600, steady=just).cancel == ()
    assert planned(late, after=3600, steady=timedelta(seconds=1800)).cancel == ("a",)
    claimed = Build(attempt=1, claim=claim("other"))
    assert planned(claimed, after=3600, steady=just).launch == ()
    assert planned(claimed, after=3600, steady=timedelta(seconds=60)).launch == ("a",)
    given_up = replace(late, stop=STOPPED)
    assert not build_in(planned(given_up, after=3600, cancel=True, steady=just)).status.is_final


def test_waiting_for_a_slot_does_not_count_to_a_builds_time() -> None:
    assert planned(Build(), after=3000).launch == ("a",)


def test_a_deployment_that_takes_too_long_ends_what_runs_and_what_waits() -> None:
    step = planned(Build(), after=3600)
    assert build_in(step).status is BuildStatus.ERROR
    assert build_in(step).message == "the deployment took longer than 1 h: cancelled"
    running = replace(seen(RUNNING, 3600), started=at(3000))
    assert planned(running, after=3600).cancel == ("a",)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (45, "45 s"), (90, "1 min 30 s"), (5400, "1 h 30 min")]
)
def test_a_length_of_time_is_told_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text
