"""The state of a tool's queue, as a pure function of its document and the tool's deployments.

The document has only the order in which deployments were accepted. Which of them run, wait or have
ended follows from their own documents. So the queue needs no write when a deployment starts or
ends. A position only improves: an instance with stale data makes a deployment wait longer, but two
deployments never take the same position.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from components.engine.deployments.model import Deployment


class WhenBusy(StrEnum):
    """What to do with a new deployment when the limit of running ones is reached."""

    QUEUE = "queue"
    SUPERSEDE = "supersede"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Entry:
    """An accepted deployment, and when it was accepted by the store's clock."""

    deploy_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The deployment of a request with an idempotency key, and a hash of the request's content."""

    deploy_id: str
    asked: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """A tool's queue: accepted deployments, in order; records by hashed idempotency key.

    `rollout` is the deployment that began its run phase last.
    """

    entries: tuple[Entry, ...] = ()
    keys: Mapping[str, KeyRecord] = field(default_factory=dict)
    rollout: Entry | None = None


@dataclass(frozen=True, slots=True)
class QueueState:
    """A tool's queue and its deployments, by id, at one moment.

    An accepted deployment that is not stored within `storing_timeout` will not be stored.
    """

    queue: Queue
    deployments: Mapping[str, Deployment]
    now: datetime
    storing_timeout: timedelta

    def is_expected(self, deploy_id: str, since: datetime) -> bool:
        """Whether an accepted deployment is not stored yet, but still may be."""
        return deploy_id not in self.deployments and self.now < since + self.storing_timeout

    def order(self) -> tuple[str, ...]:
        """Return the ids of running and waiting deployments, in order."""
        active = [each for each in self.deployments.values() if not each.status.is_final]
        accepted = [each.deploy_id for each in self.queue.entries]
        # Deployments without an entry count too: no limit at the time, or an expired reservation.
        others = sorted(
            (each for each in active if each.id not in accepted),
            key=lambda each: (each.queued, each.created, each.id),
        )
        ids = {each.id for each in active}
        return (
            *(each.id for each in others),
            *(
                each.deploy_id
                for each in self.queue.entries
                if each.deploy_id in ids or self.is_expected(each.deploy_id, each.since)
            ),
        )

    def ahead_of(self, deploy_id: str) -> tuple[str, ...]:
        """Return the deployments ahead of one; all of them if it is not in the queue."""
        order = self.order()
        return order[: order.index(deploy_id)] if deploy_id in order else order

    def waiting(self, max_running: int) -> tuple[str, ...]:
        """Return the waiting deployments, without those that are being cancelled."""
        return tuple(
            each
            for each in self.order()[max_running:]
            if each not in self.deployments or not self.deployments[each].cancel_requested
        )

    def compacted(self) -> Queue:
        """Return the queue without ended deployments and expired reservations."""
        order = self.order()
        return replace(
            self.queue,
            entries=tuple(each for each in self.queue.entries if each.deploy_id in order),
            keys={
                key: each
                for key, each in self.queue.keys.items()
                if each.deploy_id in self.deployments
                or self.is_expected(each.deploy_id, each.since)
            },
        )


def without(queue: Queue, ids: Collection[str]) -> Queue:
    """Return a queue without some deployments and their keys."""
    return replace(
        queue,
        entries=tuple(each for each in queue.entries if each.deploy_id not in ids),
        keys={key: each for key, each in queue.keys.items() if each.deploy_id not in ids},
    )


def position_message(ahead: Collection[str], max_running: int) -> str:
    """Return the message of a deployment that waits behind others."""
    last = tuple(ahead)[-1]
    position = len(ahead) - max_running + 1
    return f"waits behind {last!r}, at position {position} in the queue"
