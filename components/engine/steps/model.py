"""A step of a component, as a value: what a build and a run have in common."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from backends.status import Status


class StopReason(StrEnum):
    """Why a step is brought to an end before it ends by itself."""

    CANCELLED = "cancelled"
    BUILD_TIMEOUT = "build-timeout"
    DEPLOYMENT_TIMEOUT = "deployment-timeout"
    RUN_FAILED = "run-failed"
    RUN_TIMEOUT = "run-timeout"
    OTHER_FAILED = "other-failed"

    @property
    def is_failure(self) -> bool:
        """Whether the step itself is to blame: it ends as ERROR."""
        return self not in (StopReason.CANCELLED, StopReason.OTHER_FAILED)


@dataclass(frozen=True, slots=True)
class Claim:
    """An instance's claim to start a step: which instance, and from when until when.

    Times are the store's. After `until` the claim has expired, and another instance may take the
    step; the instance that made the claim sets it, since instances may have different limits.
    """

    by: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Doubt:
    """Earlier attempts may have started a step, since their outcome is not known.

    `since` is when the first of them was made. A search that is made at `settles` or later, and
    finds nothing, proves that none of them has started it.
    """

    since: datetime
    settles: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """A step is to end: why, since when by the store's clock, and the message for people."""

    reason: StopReason
    since: datetime
    message: str

    @property
    def is_timeout(self) -> bool:
        """Whether the step is to end because its deployment takes too long."""
        return self.reason is StopReason.DEPLOYMENT_TIMEOUT


@dataclass(frozen=True, slots=True)
class Step:
    """What a backend does for one component. Times are UTC; `id` is None until it has accepted.

    `attempt` counts the claims. `doubt` is there where earlier attempts may have started the step.
    `seen` is the store's time at which this was what the backend said, and `unasked` how long in
    all the backend could not be asked. `lost` counts how often the backend has lost it. It has
    `timed_out` where it was ended because its deployment took too long.

    A step that has ended while there is still a `stop` was given up: the backend has not confirmed
    that it has ended.
    """

    status: Status = Status.PENDING
    id: str | None = None
    message: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    attempt: int = 0
    claim: Claim | None = None
    doubt: Doubt | None = None
    stop: Stop | None = None
    seen: datetime | None = None
    lost: int = 0
    unasked: timedelta = timedelta()
    timed_out: bool = False

    @property
    def awaits_start(self) -> bool:
        """Whether no backend has accepted it yet, and it can still be started."""
        return self.id is None and not self.status.is_final

    @property
    def is_settled(self) -> bool:
        """Whether it has ended, and nothing of it can still be under way."""
        return self.status.is_final and self.stop is None

    def confirmed(self, end: Self) -> Self:
        """Return the step, which was given up, with what the backend says at last of its end."""
        message = self.stop.message if self.stop and end.id else end.message
        return replace(self, id=end.id, message=message, ended=end.ended)

    def started_again(self, message: str) -> Self:
        """Return the step as it is after the backend has lost it: to be started once more."""
        return replace(
            self,
            status=Status.PENDING,
            id=None,
            message=message,
            started=None,
            ended=None,
            claim=None,
            doubt=None,
            seen=None,
            lost=self.lost + 1,
            unasked=timedelta(),
        )
