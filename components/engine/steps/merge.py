"""How what becomes known of a step is combined with what is stored of it.

Combining is idempotent and monotone, and the order does not matter, as long as there are no two
different final states for one step. That follows from one order (`_rank`): of two things known of a
step, the one that is further on is kept.

- A step that has ended keeps its status. Of a step that was given up, only which id it has, and
  that the backend confirms its end (`Step.confirmed`), is news.
- The decision to stop a step stays.
- A step that has an id keeps it, and updates with another id say nothing about it, until the
  backend has lost it.
- Accepted is further on than waiting, running than pending, a later attempt than an earlier one, an
  attempt that has ended than one that is under way, what is certain than what is in doubt; then,
  what was seen later.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from backends.status import Status
from components.engine.steps.model import Step, Stop

S = TypeVar("S", bound=Step)

_EARLIEST = datetime.min.replace(tzinfo=UTC)


def merged_steps(stored: Mapping[str, S], new: Mapping[str, S], longest: int) -> dict[str, S]:
    """Return stored steps with updates; no message has more than `longest` characters."""
    return {
        name: merged_step(step, new[name], longest) if name in new else step
        for name, step in stored.items()
    }


def merged_step(stored: S, new: S, longest: int) -> S:
    """Return a stored step with an update."""
    is_of_another = stored.id is not None and stored.id != new.id
    is_old = new.lost < stored.lost and not new.status.is_final
    if stored.is_settled or is_old or (is_of_another and new.lost <= stored.lost):
        return stored
    new = replace(new, message=new.message[:longest])
    if stored.status.is_final:
        return _given_up(stored, new)
    stop = stored.stop or new.stop
    if new.status.is_final:
        return final(new, stop)
    return replace(max(stored, new, key=_rank), stop=stop)


def _given_up(stored: S, new: S) -> S:
    """Return a step that was given up, with what is known of it by now."""
    stop = stored.stop
    if stop is None or new.lost > stored.lost:
        return stored
    if new.status.is_final:
        return final(stored.confirmed(new), None)
    if stored.id is None and new.id is not None:
        return replace(stored, id=new.id, doubt=None, started=new.started)
    return stored


def final(step: S, stop: Stop | None) -> S:
    """Return a step that has ended as it is stored: with the reason, without what drove it.

    One that was stopped for a failure, and is cancelled for that, is `ERROR`.
    """
    if stop and stop.is_timeout and step.status is not Status.FINISHED:
        step = replace(step, timed_out=True)
    if stop and stop.reason.is_failure and step.status is Status.CANCELLED:
        step = replace(step, status=Status.ERROR, message=stop.message)
    return replace(step, claim=None, doubt=None, stop=None, seen=None, lost=0, unasked=timedelta())


def _rank(step: Step) -> tuple[Any, ...]:
    """Order what can be known of a step that has not ended, by how far on it is."""
    return (
        step.lost,
        step.id is not None,
        step.status is Status.RUNNING,
        step.attempt,
        step.claim is None,
        step.doubt is None,
        step.doubt.settles if step.doubt else _EARLIEST,
        step.seen or _EARLIEST,
        # Whatever else differs decides somehow, but in the same way for all instances.
        str(step),
    )
