"""Merging a change into a stored deployment: the only place for these rules.

A change is a builder's report about some builds, the outcome of attempts to start them, or a
cancellation. Merging is idempotent and monotone. The order of several changes does not matter, as
long as they have no two different final states for one build. That follows from one order
(`_rank`): of two states of a build, the more advanced one wins.

- A build that has ended keeps its status, and a settled deployment never changes. For an abandoned
  build, only its id and the builder's confirmation of its end are merged.
- A cancellation is permanent; so are a build's `stop` and the admission of a deployment.
- A build keeps its id, and updates with another id are ignored, until the builder has lost the
  build.
- Accepted takes precedence over waiting, running over pending, a later attempt over an earlier one,
  a completed attempt over one in progress, a known outcome over an unknown one; then the later
  `seen` time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from backends.builders.base import BuildStatus
from components.engine.deployments.model import Build, Deployment, Stop, StopReason

MAX_MESSAGES_LENGTH = 128 * 1024
"""How many characters a deployment's messages may have in total, so that any store accepts them."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """Updates of builds, by component; whether to cancel the deployment, and why; its admission."""

    builds: Mapping[str, Build] = field(default_factory=dict)
    cancel: bool = False
    reason: str = ""
    admitted: datetime | None = None


def merged(stored: Deployment, change: Change) -> Deployment:
    """Return `stored` with a change; `stored` itself where the change has no effect."""
    if stored.is_settled or stored.newer:
        return stored
    max_length = MAX_MESSAGES_LENGTH // len(stored.builds)
    builds = {
        name: _merged_build(build, change.builds[name], max_length)
        if name in change.builds
        else build
        for name, build in stored.builds.items()
    }
    changed = replace(
        stored,
        builds=builds,
        cancel_requested=stored.cancel_requested or (change.cancel and not stored.status.is_final),
        # Every instance picks the same one of two reasons.
        reason=max(stored.reason, change.reason),
        queued=stored.queued and change.admitted is None,
        admitted=_earlier(stored.admitted, change.admitted),
    )
    return stored if changed == stored else changed


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _merged_build(stored: Build, new: Build, max_length: int) -> Build:
    has_other_id = stored.build_id is not None and stored.build_id != new.build_id
    is_outdated = new.lost < stored.lost and not new.status.is_final
    if stored.is_settled or is_outdated or (has_other_id and new.lost <= stored.lost):
        return stored
    new = replace(new, message=new.message[:max_length])
    if stored.status.is_final:
        return _abandoned(stored, new)
    stop = stored.stop or new.stop
    if new.status.is_final:
        return final(new, stop)
    return replace(max(stored, new, key=_rank), stop=stop)


def _abandoned(stored: Build, new: Build) -> Build:
    """Return an abandoned build with what is now known of it."""
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
    """Return a build that has ended as it is stored: with the reason, without its working state.

    A build that was cancelled because of a timeout is `ERROR`.
    """
    if stop and stop.reason is not StopReason.CANCELLED and build.status is BuildStatus.CANCELLED:
        build = replace(build, status=BuildStatus.ERROR, message=stop.message)
    return replace(build, claim=None, doubt=None, stop=None, seen=None, lost=0, unasked=timedelta())


def _rank(build: Build) -> tuple[Any, ...]:
    """Order the states of a build that has not ended, by how far advanced they are."""
    return (
        build.lost,
        build.build_id is not None,
        build.status is BuildStatus.RUNNING,
        build.attempt,
        build.claim is None,
        build.doubt is None,
        build.doubt.settles if build.doubt else _EARLIEST,
        build.seen or _EARLIEST,
        # Any other difference decides arbitrarily, but the same for every instance.
        str(build),
    )
