"""Whose run phase it is: those of one tool never overlap, and never go back to an older deployment.

The queue's document names the deployment that has begun its run phase last. To begin is one
conditional write of it, which decides for all instances.
"""

from dataclasses import replace
from enum import Enum

from backends.stores.base import AlreadyExists, Conflict, DocumentState
from components.engine.context import Engine
from components.engine.deployments.model import Deployment
from components.engine.deployments.storing import MAX_ATTEMPTS
from components.engine.errors import TooManyConflicts
from components.engine.queue.documents import QUEUE, queue_data
from components.engine.queue.reservation import Snapshot, read_snapshot
from components.engine.queue.state import Entry


class Turn(Enum):
    """Whether a deployment may begin its run phase."""

    OWN = "own"
    WAITS = "waits"
    SUPERSEDED = "superseded"


async def take_turn(engine: Engine, deployment: Deployment) -> tuple[Turn, str]:
    """Begin a deployment's run phase, if it may; return that, and the id of whose it is.

    Raises `MadeByNewer`, `TooManyConflicts`.
    """
    for _ in range(MAX_ATTEMPTS):
        snapshot = await read_snapshot(engine, deployment.tool)
        turn, holder = turn_of(snapshot, deployment)
        if turn is not Turn.OWN or holder == deployment.id:
            return turn, holder
        queue = replace(
            snapshot.queue_state.compacted(), rollout=Entry(deployment.id, deployment.created)
        )
        try:
            if snapshot.queue is None:
                await engine.store.create(deployment.tool, QUEUE, QUEUE, queue_data(queue))
            else:
                data = queue_data(queue, snapshot.queue.data)
                await engine.store.replace(snapshot.queue, data, DocumentState.PLAIN)
        except (Conflict, AlreadyExists):
            continue
        return Turn.OWN, deployment.id
    raise TooManyConflicts(f"the queue of tool {deployment.tool!r}")


def turn_of(snapshot: Snapshot, deployment: Deployment) -> tuple[Turn, str]:
    """Return whether a deployment may begin its run phase, and whose was the last one to begin."""
    last = snapshot.queue_state.queue.rollout
    if last is None or last.deploy_id == deployment.id:
        return Turn.OWN, last.deploy_id if last else ""
    if (last.since, last.deploy_id) > (deployment.created, deployment.id):
        return Turn.SUPERSEDED, last.deploy_id
    holder = snapshot.queue_state.deployments.get(last.deploy_id)
    waits = holder is not None and not holder.is_settled
    return Turn.WAITS if waits else Turn.OWN, last.deploy_id


def rollout_under_way(snapshot: Snapshot) -> str | None:
    """Return the id of the deployment whose run phase is under way, if one is."""
    last = snapshot.queue_state.queue.rollout
    holder = snapshot.queue_state.deployments.get(last.deploy_id) if last else None
    return holder.id if holder and not holder.is_settled else None
