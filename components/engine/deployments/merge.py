"""How what happens becomes part of a stored deployment: the one place for these rules.

A change is what a builder said of some builds, or what became of attempts to start them, or that
somebody cancels. Applying one is idempotent and monotone, and the order of several does not matter,
as long as they bring no two different final states for one build. That follows from one order
(`_rank`): of two things known of a build, the one that is further on is the one that is kept.

- A build that has ended keeps its status, and a deployment that is settled never changes. Of a
  build that was given up, only which id it has, and that the builder confirms its end, is news.
- A cancellation, once there, stays; so does the decision to stop a build, and that a deployment
  need not wait any more.
- A build that has an id keeps it, and news that are not of that id say nothing about it, until the
  builder has lost it.
- Accepted is further on than waiting, running than pending, a later attempt than an earlier one, an
  attempt that has ended than one that is under way, what is certain than what is in doubt; then,
  what was seen later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backends.builders.base import BuildStatus
from components.engine.deployments.model import Build, Deployment, Stop, StopReason

MESSAGES_LENGTH = 128 * 1024
"""How many characters the messages of a deployment have together, so that any store keeps them."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """News of builds, by component; whether to cancel the deployment, and why; its admission."""

    builds: Mapping[str, Build] = field(default_factory=dict)
    cancel: bool = False
    reason: str = ""
    admitted: datetime | None = None


def merged(stored: Deployment, change: Change) -> Deployment:
    """Return `stored` with a change; `stored` itself where that changes nothing."""
    if stored.is_settled or stored.newer:
        return stored
    longest = MESSAGES_LENGTH // len(stored.builds)
    builds = {
        name: _merged_build(build, change.builds[name], longest) if name in change.builds else build
        for name, build in stored.builds.items()
    }
    changed = replace(
        stored,
        builds=builds,
        cancel_requested=stored.cancel_requested or (change.cancel and not stored.status.is_final),
        # Of two reasons everybody takes the same.
        reason=max(stored.reason, change.reason),
        queued=stored.queued and change.admitted is None,
        admitted=_earlier(stored.admitted, change.admitted),
    )
    return stored if changed == stored else changed


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _merged_build(stored: Build, new: Build, longest: int) -> Build:
    is_of_another = stored.build_id is not None and stored.build_id != new.build_id
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


def _given_up(stored: Build, new: Build) -> Build:
    """Return a build that was given up, with what is known of it by now."""
    stop = stored.stop
    if stop is None or new.lost > stored.lost:
        return stored
    if new.status.is_final:
        message = stop.message if new.build_id else new.message
        settled = replace(stored, build_id=new.build_id, message=message, ended=new.ended)
        return final(settled, None)
    if stored.build_id is None and new.build_id is not None:
        return replace(stored, build_id=new.build_id, doubt=None, started=new.started)
    return stored


def final(build: Build, stop: Stop | None) -> Build:
    """Return a build that has ended as it is kept: with the reason, and without what drove it.

    One that was stopped because it took too long, and is cancelled for that, is `ERROR`.
    """
    if stop and stop.reason is not StopReason.CANCELLED and build.status is BuildStatus.CANCELLED:
        build = replace(build, status=BuildStatus.ERROR, message=stop.message)
    return replace(build, claim=None, doubt=None, stop=None, seen=None, lost=0, unasked=timedelta())


def _rank(build: Build) -> tuple[Any, ...]:
    """Order what can be known of a build that has not ended, by how far on it is."""
    return (
        build.lost,
        build.build_id is not None,
        build.status is BuildStatus.RUNNING,
        build.attempt,
        build.claim is None,
        build.doubt is None,
        build.doubt.settles if build.doubt else _EARLIEST,
        build.seen or _EARLIEST,
        # Whatever else differs decides somehow, but for everybody in the same way.
        str(build),
    )
