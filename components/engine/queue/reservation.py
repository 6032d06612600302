"""Reserving a position in a tool's queue: one conditional write, valid for all instances."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from backends.stores.base import (
    AlreadyExists,
    Conflict,
    Document,
    DocumentState,
    NotFound,
    StoreError,
)
from components.engine.configurations.documents import CONFIGURATION
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.model import Deployment
from components.engine.deployments.reading import deployments_in
from components.engine.deployments.storing import MAX_ATTEMPTS
from components.engine.errors import (
    Busy,
    KeyReused,
    MadeByNewer,
    NoSuchTool,
    QueueFull,
    TooManyConflicts,
    TooManyUnfinished,
)
from components.engine.queue.documents import QUEUE, queue_data, queue_of
from components.engine.queue.state import Entry, KeyRecord, Queue, QueueState, WhenBusy, without

_RANDOM_NUMBERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a new deployment depends on, read in one call."""

    tool: str
    configuration: Document | None
    queue: Document | None
    documents: Mapping[str, Document]
    queue_state: QueueState

    def documents_of(self, ids: Iterable[str]) -> tuple[Document, ...]:
        """Return the documents of those deployments that are stored."""
        return tuple(self.documents[each] for each in ids if each in self.documents)

    @property
    def newest_first(self) -> tuple[Deployment, ...]:
        """The tool's deployments, newest first."""
        found = self.queue_state.deployments.values()
        return tuple(sorted(found, key=lambda each: (each.created, each.id), reverse=True))


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A request's idempotency key and its content, each as a hash."""

    key: str
    asked: str

    @classmethod
    def of(cls, key: str, asked: str) -> "IdempotencyKey":
        """Return the hashes of a key, and of a text with the whole content of the request."""
        return cls(_hash(key), _hash(asked))


@dataclass(frozen=True, slots=True)
class Reservation:
    """The id of a new deployment, when it was accepted, and the ids of those that it waits for.

    It is `repeated` where an earlier request with the same key made the reservation.
    """

    deploy_id: str
    since: datetime
    ahead: tuple[str, ...] = ()
    repeated: bool = False


async def read_snapshot(engine: Engine, tool: str) -> Snapshot:
    """Return a snapshot of a tool. Raises `Corrupt` where its configuration or queue is corrupt."""
    listing = await engine.store.list(tool, CONFIGURATION, QUEUE, DEPLOYMENT)
    for error in listing.corrupt:
        if error.kind != DEPLOYMENT:
            raise error
    of_kind: dict[str, Document] = {each.kind: each for each in listing.documents}
    queue = of_kind.get(QUEUE)
    found, _ = await deployments_in(engine, listing)
    return Snapshot(
        tool,
        of_kind.get(CONFIGURATION),
        queue,
        {deployment.id: document for document, deployment in found},
        QueueState(
            queue_of(queue) if queue else Queue(),
            {deployment.id: deployment for _, deployment in found},
            await engine.store.now(),
            engine.limits.launch,
        ),
    )


async def reserve(
    engine: Engine,
    snapshot: Snapshot,
    when_busy: WhenBusy = WhenBusy.QUEUE,
    idempotency_key: IdempotencyKey | None = None,
) -> tuple[Reservation, Snapshot]:
    """Reserve a position for a new deployment; return it, and the snapshot that it is based on.

    Without a limit and a key, nothing is written. Raises `Busy`, `QueueFull`, `KeyReused`,
    `NoSuchTool`, `TooManyConflicts`.
    """
    for _ in range(MAX_ATTEMPTS):
        earlier = earlier_reservation(snapshot, idempotency_key)
        if earlier:
            return earlier, snapshot
        ahead = find_ahead(engine, snapshot.queue_state, when_busy)
        # The snapshot may be old: making the draft takes a while.
        since = engine.unique_times.after(await engine.store.now())
        reservation = Reservation(_new_id(engine, snapshot, since), since, ahead)
        queue = _with_reservation(
            engine, snapshot.queue_state.compacted(), reservation, idempotency_key
        )
        if not (engine.max_running or idempotency_key):
            return reservation, snapshot
        try:
            await _write(engine, snapshot, queue)
        except (Conflict, AlreadyExists):
            snapshot = await read_snapshot(engine, snapshot.tool)
            continue
        except NotFound:
            if snapshot.queue:
                snapshot = await read_snapshot(engine, snapshot.tool)
                continue
            raise NoSuchTool(snapshot.tool) from None
        return reservation, snapshot
    raise TooManyConflicts(f"the queue of tool {snapshot.tool!r}")


def earlier_reservation(
    snapshot: Snapshot, idempotency_key: IdempotencyKey | None
) -> Reservation | None:
    """Return the reservation of an earlier request with this key. Raises `KeyReused`."""
    if idempotency_key is None:
        return None
    earlier = snapshot.queue_state.compacted().keys.get(idempotency_key.key)
    if earlier is None:
        return None
    if earlier.asked != idempotency_key.asked:
        raise KeyReused(earlier.deploy_id)
    ahead = snapshot.queue_state.ahead_of(earlier.deploy_id)
    return Reservation(earlier.deploy_id, earlier.since, ahead, repeated=True)


def find_ahead(engine: Engine, queue_state: QueueState, when_busy: WhenBusy) -> tuple[str, ...]:
    """Return the ids of those that a new deployment would wait for.

    Raises `Busy`, `QueueFull`, and without a limit `TooManyUnfinished`: a deployment is not pruned
    before the builder has confirmed its end.
    """
    order = queue_state.order()
    if not engine.max_running:
        unfinished = sum(not each.is_settled for each in queue_state.deployments.values())
        if unfinished >= 2 * engine.deployments_kept:
            raise TooManyUnfinished(unfinished)
        return ()
    if len(order) < engine.max_running:
        return ()
    if when_busy is WhenBusy.REJECT:
        raise Busy(order[0])
    if (
        when_busy is WhenBusy.QUEUE
        and len(queue_state.waiting(engine.max_running)) >= engine.max_queued
    ):
        raise QueueFull(engine.max_queued)
    return order


async def release(
    engine: Engine, tool: str, ids: Collection[str], read: Document | None = None
) -> None:
    """Remove deployments that are about to be deleted, and their keys, from the queue.

    `read` is the queue's document where it has just been read. This only lets the next one start
    sooner: entries also expire, so errors are ignored.
    """
    document = read
    for _ in range(MAX_ATTEMPTS):
        try:
            document = document or await engine.store.get(tool, QUEUE, QUEUE)
            queue = queue_of(document)
            rest = without(queue, ids)
            if rest != queue:
                data = queue_data(rest, document.data)
                await engine.store.replace(document, data, DocumentState.PLAIN)
        except Conflict:
            document = None
        except (StoreError, MadeByNewer):
            return
        else:
            return


def _with_reservation(
    engine: Engine, queue: Queue, reservation: Reservation, idempotency_key: IdempotencyKey | None
) -> Queue:
    entries, keys = queue.entries, queue.keys
    if engine.max_running:
        entries = (*entries, Entry(reservation.deploy_id, reservation.since))
    if idempotency_key:
        own = KeyRecord(reservation.deploy_id, idempotency_key.asked, reservation.since)
        keys = {**keys, idempotency_key.key: own}
    return replace(queue, entries=entries, keys=keys)


async def _write(engine: Engine, snapshot: Snapshot, queue: Queue) -> None:
    if snapshot.queue is None:
        await engine.store.create(snapshot.tool, QUEUE, QUEUE, queue_data(queue))
    else:
        data = queue_data(queue, snapshot.queue.data)
        await engine.store.replace(snapshot.queue, data, DocumentState.PLAIN)


def _new_id(engine: Engine, snapshot: Snapshot, since: datetime) -> str:
    taken = {*snapshot.documents, *(each.deploy_id for each in snapshot.queue_state.queue.entries)}
    while True:
        number = engine.random.randrange(_RANDOM_NUMBERS)
        deploy_id = f"{snapshot.tool}-deploy-{since:%Y%m%d%H%M%S}-{number}"
        if deploy_id not in taken:
            return deploy_id


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
