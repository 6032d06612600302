"""The rules of merging, for arbitrary changes of builds and of runs."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.status import Status
from components.engine.builds.model import Build
from components.engine.deployments.merge import Change, merged
from components.engine.deployments.model import Deployment, Kind
from components.engine.runs.model import Run, RunAction
from components.engine.steps.model import Claim, Doubt, Step, Stop, StopReason
from tests.conftest import NOON
from tests.factories import TOOL, configuration

Ids = tuple[str | None, ...]

NAMES = ("a", "b")
FINAL = [status for status in Status if status.is_final]
TIMEOUT = Stop(StopReason.BUILD_TIMEOUT, NOON, "took too long")
CLAIM = Claim("x", NOON, NOON + timedelta(minutes=1))
DOUBT = Doubt(NOON, NOON + timedelta(minutes=2))
ANY_ID: Ids = (None, "one", "two")
times = st.sampled_from([None, NOON, NOON + timedelta(seconds=1)])
messages = st.sampled_from(["", "m", "n"])

KINDS: dict[Kind, type[Step]] = {Kind.BUILD: Build, Kind.RUN: Run}
DETAILS: dict[Kind, dict[str, st.SearchStrategy[Any]]] = {
    Kind.BUILD: {"commit": st.sampled_from([None, "c"])},
    Kind.RUN: {
        "action": st.sampled_from([RunAction.START, RunAction.REMOVE]),
        "healthy": st.booleans(),
        "ready": st.integers(0, 1),
    },
}
both_kinds = pytest.mark.parametrize("of", Kind)


@cache
def unfinished(of: Kind, ids: Ids) -> st.SearchStrategy[Step]:
    """Steps that have not ended."""
    return st.builds(
        KINDS[of],
        status=st.sampled_from([Status.PENDING, Status.RUNNING]),
        id=st.sampled_from(ids),
        message=messages,
        attempt=st.integers(0, 2),
        claim=st.sampled_from([None, CLAIM]),
        doubt=st.sampled_from([None, DOUBT, replace(DOUBT, settles=NOON)]),
        stop=st.sampled_from([None, TIMEOUT]),
        seen=times,
        lost=st.sampled_from([0, 0, 1]) if any(ids) else st.just(0),
        **DETAILS[of],
    ).map(lambda step: step if step.id else replace(step, status=Status.PENDING))


@cache
def abandoned(of: Kind, ids: Ids) -> st.SearchStrategy[Step]:
    """Steps that are abandoned: the backend has not confirmed their end."""
    return st.builds(
        KINDS[of],
        status=st.sampled_from([Status.CANCELLED, Status.ERROR]),
        id=st.sampled_from(ids),
        message=st.just("may still run"),
        doubt=st.sampled_from([None, DOUBT]),
        stop=st.just(TIMEOUT),
        **DETAILS[of],
    )


@cache
def ended(of: Kind, ids: Ids) -> st.SearchStrategy[Step]:
    """Steps that have ended."""
    details = {"was_put_back": st.booleans()} if of is Kind.RUN else {}
    return st.builds(
        KINDS[of],
        status=st.sampled_from(FINAL),
        id=st.sampled_from(ids),
        message=messages,
        **details,
    )


def deployment(steps: Mapping[str, Any], queued: bool = False) -> Deployment:
    """A deployment with these builds, or in its run phase with these runs."""
    given = configuration(*steps)
    if any(isinstance(step, Build) for step in steps.values()):
        return Deployment(TOOL, "id", NOON, given, steps, queued=queued)
    built = dict.fromkeys(steps, Build(Status.FINISHED, "b"))
    return Deployment(TOOL, "id", NOON, given, built, queued=queued, runs=steps, begun=NOON)


def steps_of(deployment: Deployment) -> Mapping[str, Step]:
    """The steps that a test is about."""
    return deployment.runs or deployment.builds


def change(steps: Mapping[str, Any], **others: Any) -> Change:
    """A change with updates of steps of one kind."""
    runs = {name: step for name, step in steps.items() if isinstance(step, Run)}
    builds = {name: step for name, step in steps.items() if isinstance(step, Build)}
    return Change(builds, runs=runs, **others)


@cache
def any_step(of: Kind) -> st.SearchStrategy[Step]:
    return st.one_of(unfinished(of, ANY_ID), ended(of, ANY_ID))


@cache
def deployments(of: Kind) -> st.SearchStrategy[Deployment]:
    stored = st.one_of(any_step(of), abandoned(of, ANY_ID))
    return st.builds(
        deployment, st.fixed_dictionaries(dict.fromkeys(NAMES, stored)), queued=st.booleans()
    )


def changes_of(steps: st.SearchStrategy[Any]) -> st.SearchStrategy[Change]:
    """Changes with updates of these steps, and arbitrary other fields."""
    reasons = st.sampled_from(["", "superseded by 'one'", "superseded by 'other'"])
    return st.one_of(
        st.builds(change, steps, admitted=times),
        st.builds(change, steps, cancel=st.just(True), reason=reasons, admitted=times),
    )


@cache
def changes(of: Kind) -> st.SearchStrategy[Change]:
    return changes_of(st.dictionaries(st.sampled_from([*NAMES, "unknown"]), any_step(of)))


@cache
@st.composite
def one_world(draw: Any, of: Kind) -> tuple[Deployment, list[Change], list[Change]]:
    """A stored deployment, and changes in two orders; each step has one id and one final state."""
    known, stored = {}, {}
    for name in NAMES:
        # A rejected step was never accepted.
        end = draw(ended(of, (None, "one")))
        ids: Ids = (None,) if end.id is None else (None, "one")
        # A stop is planned, and never merged from a change.
        known[name] = st.one_of(
            unfinished(of, ids).map(lambda step: replace(step, stop=None)), st.just(end)
        )
        stored[name] = draw(st.one_of(known[name], abandoned(of, ids)))
    change = changes_of(st.fixed_dictionaries({}, optional=known))
    given = draw(st.lists(change, min_size=2, max_size=4))
    return deployment(stored, queued=draw(st.booleans())), given, draw(st.permutations(given))


def applied(stored: Deployment, *changes: Change) -> Deployment:
    for each in changes:
        stored = merged(stored, each)
    return stored


@both_kinds
@given(data=st.data())
def test_merging_is_idempotent(of: Kind, data: st.DataObject) -> None:
    change = data.draw(changes(of))
    once = merged(data.draw(deployments(of)), change)
    assert merged(once, change) is once


@pytest.mark.timeout(300)  # hundreds of examples, on a machine that may be busy
@both_kinds
@settings(max_examples=500)
@given(data=st.data())
def test_the_order_of_changes_does_not_matter(of: Kind, data: st.DataObject) -> None:
    stored, given, shuffled = data.draw(one_world(of))
    one, other = applied(stored, *given), applied(stored, *shuffled)
    assert steps_of(one) == steps_of(other)
    if not any(change.cancel for change in given):
        assert one.status == other.status


@both_kinds
@given(data=st.data())
def test_a_settled_step_never_changes_and_a_final_status_is_permanent(
    of: Kind, data: st.DataObject
) -> None:
    stored = data.draw(deployments(of))
    after = steps_of(merged(stored, data.draw(changes(of))))
    for name, step in steps_of(stored).items():
        if step.is_settled:
            assert after[name] == step
        if step.status.is_final:
            assert after[name].status is step.status


@both_kinds
@given(data=st.data())
def test_a_final_deployment_is_never_reopened_nor_cancelled(of: Kind, data: st.DataObject) -> None:
    stored = data.draw(deployments(of))
    after = merged(stored, data.draw(changes(of)))
    if stored.status.is_final:
        assert after.status is stored.status
    if stored.is_settled:
        assert after is stored


@both_kinds
@given(data=st.data())
def test_a_cancellation_is_permanent(of: Kind, data: st.DataObject) -> None:
    stored = data.draw(deployments(of))
    after = applied(stored, Change(cancel=True), data.draw(changes(of)), data.draw(changes(of)))
    if not stored.status.is_final:
        assert after.cancel_requested
        if after.status.is_final:
            assert after.status == "CANCELLED"


@both_kinds
@given(data=st.data())
def test_an_id_once_known_is_never_lost_or_changed(of: Kind, data: st.DataObject) -> None:
    stored = data.draw(deployments(of))
    after = steps_of(merged(stored, data.draw(changes(of))))
    for name, step in steps_of(stored).items():
        if step.id is not None and after[name].lost == step.lost:
            assert after[name].id == step.id


@both_kinds
@given(data=st.data())
def test_steps_only_advance(of: Kind, data: st.DataObject) -> None:
    stored = data.draw(deployments(of))
    after = steps_of(merged(stored, data.draw(changes(of))))
    for name, before in steps_of(stored).items():
        step = after[name]
        assert step.status.is_final or step.lost >= before.lost
        if step.lost > before.lost:
            continue
        if before.status is Status.RUNNING and before.id is not None:
            assert step.status is not Status.PENDING
        if before.stop and not step.status.is_final:
            assert step.stop
        if step.id is None and not step.status.is_final:
            assert step.attempt >= before.attempt


@both_kinds
@given(data=st.data())
def test_merging_preserves_the_components_and_the_other_kind(of: Kind, data: st.DataObject) -> None:
    stored = data.draw(deployments(of))
    after = merged(stored, data.draw(changes(of)))
    assert list(steps_of(after)) == list(steps_of(stored))
    if of is Kind.RUN:
        assert after.builds == stored.builds


@both_kinds
@given(data=st.data())
def test_a_step_that_has_ended_has_no_working_state(of: Kind, data: st.DataObject) -> None:
    stored = data.draw(deployments(of))
    for name, step in steps_of(merged(stored, data.draw(changes(of)))).items():
        if step.status.is_final and not steps_of(stored)[name].status.is_final:
            assert (step.claim, step.doubt, step.stop, step.seen) == (None,) * 4
