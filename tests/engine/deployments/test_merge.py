"""The rules of merging, for arbitrary changes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.builders.base import BuildState, BuildStatus
from components.engine.builds.driver import observed
from components.engine.builds.model import Build
from components.engine.deployments.merge import Change, merged
from components.engine.deployments.model import Deployment
from components.engine.steps.model import Claim, Doubt, Stop, StopReason
from tests.conftest import NOON
from tests.factories import TOOL, configuration

NAMES = ("a", "b")
FINAL = [status for status in BuildStatus if status.is_final]
TIMEOUT = Stop(StopReason.BUILD_TIMEOUT, NOON, "took too long")
CLAIM = Claim("x", NOON, NOON + timedelta(minutes=1))
DOUBT = Doubt(NOON, NOON + timedelta(minutes=2))
times = st.sampled_from([None, NOON, NOON + timedelta(seconds=1)])
messages = st.sampled_from(["", "m", "n"])


def unfinished(ids: list[str | None]) -> st.SearchStrategy[Build]:
    """Builds that have not ended."""
    return st.builds(
        Build,
        status=st.sampled_from([BuildStatus.PENDING, BuildStatus.RUNNING]),
        id=st.sampled_from(ids),
        message=messages,
        commit=st.sampled_from([None, "c"]),
        attempt=st.integers(0, 2),
        claim=st.sampled_from([None, CLAIM]),
        doubt=st.sampled_from([None, DOUBT, replace(DOUBT, settles=NOON)]),
        stop=st.sampled_from([None, TIMEOUT]),
        seen=times,
        lost=st.sampled_from([0, 0, 1]) if any(ids) else st.just(0),
    )


def abandoned(ids: list[str | None]) -> st.SearchStrategy[Build]:
    """Builds that are abandoned: the builder has not confirmed their end."""
    return st.builds(
        Build,
        status=st.sampled_from([BuildStatus.CANCELLED, BuildStatus.ERROR]),
        id=st.sampled_from(ids),
        message=st.just("may still run"),
        doubt=st.sampled_from([None, DOUBT]),
        stop=st.just(TIMEOUT),
    )


def ended(ids: list[str | None]) -> st.SearchStrategy[Build]:
    """Builds that have ended."""
    return st.builds(
        Build, status=st.sampled_from(FINAL), id=st.sampled_from(ids), message=messages
    )


def deployment(
    builds: dict[str, Build], cancelled: bool = False, queued: bool = False
) -> Deployment:
    return Deployment(TOOL, "id", NOON, configuration(*builds), builds, cancelled, queued=queued)


ANY_ID: list[str | None] = [None, "one", "two"]
any_build = st.one_of(unfinished(ANY_ID), ended(ANY_ID))
deployments = st.builds(
    deployment,
    st.fixed_dictionaries(dict.fromkeys(NAMES, st.one_of(any_build, abandoned(ANY_ID)))),
    st.just(False),
    st.booleans(),
)


def changes_of(builds: st.SearchStrategy[Any]) -> st.SearchStrategy[Change]:
    """Changes with updates of these builds, and arbitrary other fields."""
    reasons = st.sampled_from(["", "superseded by 'one'", "superseded by 'other'"])
    return st.one_of(
        st.builds(Change, builds, st.just(False), st.just(""), times),
        st.builds(Change, builds, st.just(True), reasons, times),
    )


changes = changes_of(st.dictionaries(st.sampled_from([*NAMES, "unknown"]), any_build))


@st.composite
def one_world(draw: Any) -> tuple[Deployment, list[Change], list[Change]]:
    """A stored deployment, and changes in two orders; each build has one id and one final state."""
    known = {}
    for name in NAMES:
        # A rejected build was never accepted.
        end = draw(ended([None, "one"]))
        ids: list[str | None] = [None] if end.id is None else [None, "one"]
        known[name] = st.one_of(unfinished(ids).map(without_stop), st.just(end))
    builds = {name: draw(each) for name, each in known.items()}
    stored = deployment(builds, queued=draw(st.booleans()))
    change = changes_of(st.fixed_dictionaries({}, optional=known))
    given = draw(st.lists(change, min_size=2, max_size=4))
    return stored, given, draw(st.permutations(given))


def without_stop(build: Build) -> Build:
    """Return a build without its `stop`, which is planned and never merged from a change."""
    return Build(
        build.status,
        build.id,
        build.message,
        commit=build.commit,
        attempt=build.attempt,
        claim=build.claim,
        doubt=build.doubt,
        seen=build.seen,
        lost=build.lost,
    )


def applied(stored: Deployment, *changes: Change) -> Deployment:
    for each in changes:
        stored = merged(stored, each)
    return stored


@given(deployments, changes)
def test_merging_is_idempotent(stored: Deployment, change: Change) -> None:
    once = merged(stored, change)
    assert merged(once, change) is once


@pytest.mark.timeout(300)  # a thousand examples, on a machine that may be busy
@settings(max_examples=1000)
@given(one_world())
def test_the_order_of_changes_does_not_matter(
    world: tuple[Deployment, list[Change], list[Change]],
) -> None:
    stored, given, shuffled = world
    one, other = applied(stored, *given), applied(stored, *shuffled)
    assert one.builds == other.builds
    if not any(change.cancel for change in given):
        assert one.status == other.status


@given(deployments, changes)
def test_a_settled_build_never_changes_and_a_final_status_is_permanent(
    stored: Deployment, change: Change
) -> None:
    after = merged(stored, change)
    for name, build in stored.builds.items():
        if build.is_settled:
            assert after.builds[name] == build
        if build.status.is_final:
            assert after.builds[name].status is build.status


@given(deployments, changes)
def test_a_final_deployment_is_never_reopened_nor_cancelled(
    stored: Deployment, change: Change
) -> None:
    if stored.status.is_final:
        assert merged(stored, change).status is stored.status
    if stored.is_settled:
        assert merged(stored, change) is stored


@given(deployments, changes)
def test_a_settled_deployment_stays_settled(stored: Deployment, change: Change) -> None:
    assert merged(stored, change).is_settled or not stored.is_settled


@given(deployments, changes, changes)
def test_a_cancellation_is_permanent(stored: Deployment, first: Change, second: Change) -> None:
    cancelled = merged(stored, Change(cancel=True))
    if not stored.status.is_final:
        assert applied(cancelled, first, second).cancel_requested
        if applied(cancelled, first, second).status.is_final:
            assert applied(cancelled, first, second).status == "CANCELLED"


@given(deployments, changes)
def test_an_id_once_known_is_never_lost_or_changed(stored: Deployment, change: Change) -> None:
    after = merged(stored, change)
    for name, build in stored.builds.items():
        if build.id is not None and after.builds[name].lost == build.lost:
            assert after.builds[name].id == build.id


@given(deployments, changes)
def test_builds_only_advance(stored: Deployment, change: Change) -> None:
    after = merged(stored, change)
    for name, before in stored.builds.items():
        build = after.builds[name]
        assert build.status.is_final or build.lost >= before.lost
        if build.lost > before.lost:
            continue
        if before.status is BuildStatus.RUNNING and before.id is not None:
            assert build.status is not BuildStatus.PENDING
        if before.stop and not build.status.is_final:
            assert build.stop
        if build.id is None and not build.status.is_final:
            assert build.attempt >= before.attempt


@given(deployments, changes)
def test_merging_preserves_the_components(stored: Deployment, change: Change) -> None:
    assert list(merged(stored, change).builds) == list(stored.builds)


@given(deployments, changes)
def test_a_build_that_has_ended_has_no_working_state(stored: Deployment, change: Change) -> None:
    for name, build in merged(stored, change).builds.items():
        if build.status.is_final and not stored.builds[name].status.is_final:
            assert (build.claim, build.doubt, build.stop, build.seen) == (None,) * 4


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
