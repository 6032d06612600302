"""The rules of merging, one by one."""

from dataclasses import replace

from backends.builders.base import BuildState, BuildStatus
from components.engine.builds.driver import observed
from components.engine.builds.model import Build
from components.engine.deployments.merge import Beginning, Change, merged
from components.engine.runs.model import Run, RunAction
from tests.conftest import NOON
from tests.engine.deployments.test_merge import CLAIM, DOUBT, TIMEOUT, deployment


def test_an_accepted_build_is_not_rejected_by_another_attempt() -> None:
    stored = deployment({"a": Build(id="one")})
    rejected = Build(BuildStatus.ERROR, message="no such repository")
    assert merged(stored, Change({"a": rejected})) is stored


def test_an_update_replaces_the_stored_build() -> None:
    stored = deployment({"a": Build(id="one")})
    finished = Build(BuildStatus.FINISHED, "one", image="i", ended=NOON)
    assert merged(stored, Change({"a": finished})).builds == {"a": finished}


def test_a_late_rejection_does_not_release_a_later_claim() -> None:
    claimed = Build(attempt=2, claim=replace(CLAIM, by="other"))
    late = Build(attempt=1, message="waits for a free slot")
    assert merged(deployment({"a": claimed}), Change({"a": late})).builds["a"] == claimed


def test_a_build_cancelled_by_a_timeout_is_an_error_with_the_reason() -> None:
    stored = deployment({"a": Build(id="one", stop=TIMEOUT)})
    after = merged(stored, Change({"a": Build(BuildStatus.CANCELLED, "one")}))
    assert after.builds["a"] == Build(BuildStatus.ERROR, "one", "took too long")


ABANDONED = Build(BuildStatus.ERROR, "one", "took too long; may still run", stop=TIMEOUT)


def test_an_abandoned_build_is_settled_when_the_builder_confirms_its_end() -> None:
    stored = deployment({"a": ABANDONED})
    after = merged(stored, Change({"a": Build(BuildStatus.FINISHED, "one", ended=NOON)}))
    assert after.builds["a"] == Build(BuildStatus.ERROR, "one", "took too long", ended=NOON)
    assert after.is_settled


def test_an_abandoned_build_is_not_settled_while_it_runs() -> None:
    stored = deployment({"a": ABANDONED})
    assert merged(stored, Change({"a": Build(BuildStatus.RUNNING, "one")})) is stored


def test_an_abandoned_build_gets_its_id_when_it_is_found() -> None:
    stored = deployment({"a": replace(ABANDONED, id=None, doubt=DOUBT)})
    found = Build(BuildStatus.RUNNING, "one", stop=TIMEOUT, started=NOON)
    after = merged(stored, Change({"a": found}))
    assert after.builds["a"] == replace(ABANDONED, started=NOON)


def test_a_lost_build_waits_again_and_earlier_reports_are_outdated() -> None:
    running = Build(BuildStatus.RUNNING, "one", attempt=1)
    after = merged(deployment({"a": running}), Change({"a": Build(attempt=1, lost=1)}))
    assert after.builds["a"] == Build(attempt=1, lost=1)
    assert merged(after, Change({"a": running})) is after


def test_a_known_outcome_replaces_a_doubt_about_the_same_attempt() -> None:
    doubtful = Build(attempt=1, doubt=DOUBT, message="waits for the builder")
    certain = Build(attempt=1, message="waits for a free slot")
    assert merged(deployment({"a": doubtful}), Change({"a": certain})).builds["a"] == certain
    assert merged(deployment({"a": certain}), Change({"a": doubtful})).builds["a"] == certain


def test_a_document_of_a_newer_version_is_not_changed() -> None:
    stored = replace(deployment({"a": Build()}), newer=True)
    assert merged(stored, Change({"a": Build(id="one")}, cancel=True)) is stored


def test_known_fields_of_a_build_are_not_lost() -> None:
    known = Build(id="one", image="i", digest="d", commit="c", started=NOON)
    lost = observed(known, BuildState("one", BuildStatus.ERROR, "lost"), NOON)
    assert (lost.image, lost.digest, lost.commit, lost.started) == ("i", "d", "c", NOON)


GIVEN_UP = Run(BuildStatus.ERROR, "one", "crashes; not healthy yet", healthy=True, stop=TIMEOUT)


def test_what_became_of_a_given_up_run_is_told_when_the_runner_says_so() -> None:
    late = Run(BuildStatus.ERROR, "one", "crashes; 'x' runs again", ended=NOON, was_put_back=True)
    after = merged(deployment({"a": GIVEN_UP}), Change(runs={"a": late}))
    assert after.runs["a"] == late
    assert after.is_settled


def begun(action: RunAction) -> Change:
    return Change(beginning=Beginning(NOON, {"a": Run(action=action)}))


def test_a_run_phase_begins_once() -> None:
    stored = replace(deployment({"a": Run()}), begun=None)
    once = merged(stored, begun(RunAction.START))
    assert (once.begun, once.runs["a"].action) == (NOON, RunAction.START)
    assert merged(once, begun(RunAction.CHANGE)) is once


def test_the_run_phase_of_a_cancelled_deployment_does_not_begin() -> None:
    stored = replace(deployment({"a": Run()}), begun=None)
    cancelled = merged(stored, Change(cancel=True))
    assert merged(cancelled, begun(RunAction.START)) is cancelled
