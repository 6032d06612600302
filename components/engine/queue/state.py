"""Whose turn it is, as a pure function of one queue document and the tool's deployments.

The document holds the order in which deployments were accepted, and nothing else about them: which
of them run, wait or have ended follows from their own documents. So nobody has to write it when one
ends or starts, and a place only ever gets better: whoever looks at an old state waits longer, and
two who look at different ones never both take the same place.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from components.engine.deployments.model import Deployment


class WhenBusy(StrEnum):
    """What becomes of a new deployment when as many run as may."""

    QUEUE = "queue"
    SUPERSEDE = "supersede"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Entry:
    """That a deployment was accepted, and when by the store's clock."""

    deploy_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The deployment of a request that may be repeated, and a hash of what the request asked."""

    deploy_id: str
    asked: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """A tool's queue: what was accepted, in order, and by the key of a request, hashed, its own.

    `rollout` is the deployment that has begun its run phase last.
    """

    entries: tuple[Entry, ...] = ()
    keys: Mapping[str, KeyRecord] = field(default_factory=dict)
    rollout: Entry | None = None


@dataclass(frozen=True, slots=True)
class QueueState:
    """What a decision is made from: a tool's queue and deployments, by id, at one moment.

    An accepted deployment that is not there yet will be, within `patience`; later it is not coming.
    """

    queue: Queue
    deployments: Mapping[str, Deployment]
    now: datetime
    patience: timedelta

    def is_coming(self, deploy_id: str, since: datetime) -> bool:
        """Whether a deployment that was accepted is about to be stored."""
        return deploy_id not in self.deployments and self.now < since + self.patience

    def order(self) -> tuple[str, ...]:
        """Return the ids of those that run or wait, in order."""
        going_on = [each for each in self.deployments.values() if not each.status.is_final]
        accepted = [each.deploy_id for each in self.queue.entries]
        # What began without a limit, or whose maker was slow, is in no queue and counts as well.
        others = sorted(
            (each for each in going_on if each.id not in accepted),
            key=lambda each: (each.queued, each.created, each.id),
        )
        ids = {each.id for each in going_on}
        return (
            *(each.id for each in others),
            *(
                each.deploy_id
                for each in self.queue.entries
                if each.deploy_id in ids or self.is_coming(each.deploy_id, each.since)
            ),
        )

    def ahead_of(self, deploy_id: str) -> tuple[str, ...]:
        """Return those that run or wait and were accepted before a deployment; all if it is not."""
        order = self.order()
        return order[: order.index(deploy_id)] if deploy_id in order else order

    def waiting(self, max_running: int) -> tuple[str, ...]:
        """Return those that wait and will go on waiting: what is being cancelled does not count."""
        return tuple(
            each
            for each in self.order()[max_running:]
            if each not in self.deployments or not self.deployments[each].cancel_requested
        )

    def compacted(self) -> Queue:
        """Return the queue without what has ended and what will never come."""
        order = self.order()
        return replace(
            self.queue,
            entries=tuple(each for each in self.queue.entries if each.deploy_id in order),
            keys={
                key: each
                for key, each in self.queue.keys.items()
                if each.deploy_id in self.deployments or self.is_coming(each.deploy_id, each.since)
            },
        )


def without(queue: Queue, ids: Collection[str]) -> Queue:
    """Return a queue that knows nothing of some deployments."""
    return replace(
        queue,
        entries=tuple(each for each in queue.entries if each.deploy_id not in ids),
        keys={key: each for key, each in queue.keys.items() if each.deploy_id not in ids},
    )


def position_message(ahead: Collection[str], max_running: int) -> str:
    """Return what people are told of a deployment that waits behind others."""
    last = tuple(ahead)[-1]
    reservation = len(ahead) - max_running + 1
    return f"waits behind {last!r}, at place {reservation} of the queue"
