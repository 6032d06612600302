"""Storing what happens to a deployment: always a merge onto what is stored, never over it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from backends.stores.base import Conflict, Document, Sealed
from components.engine.context import Engine
from components.engine.deployments.documents import (
    DEPLOYMENT,
    deployment_data,
    deployment_state,
)
from components.engine.deployments.ends import log_end
from components.engine.deployments.model import Deployment
from components.engine.deployments.reading import deployment_of
from components.engine.errors import MadeByNewer, TooManyConflicts
from components.engine.steps.merge import S

MAX_ATTEMPTS = 20
"""How often a write that met another one is tried again."""


async def store_change(
    engine: Engine, read: Document, change: Callable[[Deployment], Deployment]
) -> Deployment:
    """Apply `change` to the stored deployment, first as it was `read`; return what is stored then.

    Nothing is written that is not news. After a `Conflict` the deployment is read again and the
    change applied to that. Raises `NotFound` where it was removed, `MadeByNewer`,
    `TooManyConflicts`.
    """
    document = read
    for _ in range(MAX_ATTEMPTS):
        stored = deployment_of(engine, document)
        if stored.newer:
            raise MadeByNewer(stored.id)
        changed = change(stored)
        if not is_worth_writing(stored, changed, engine.limits.heartbeat):
            return stored
        try:
            _, written = await write(engine, document, changed)
        except (Conflict, Sealed):
            document = await engine.store.get(read.tool, DEPLOYMENT, read.name)
        else:
            return written
    raise TooManyConflicts(f"deployment {read.name!r}")


async def write(
    engine: Engine, read: Document, deployment: Deployment
) -> tuple[Document, Deployment]:
    """Put a deployment in the place of what was `read`; return both as they are stored.

    Raises `Conflict`, `Sealed`, `NotFound` and what else the store raises.
    """
    ends = deployment.status.is_final and deployment.ended is None
    if ends:
        deployment = replace(deployment, ended=await engine.store.now())
    document = await engine.store.replace(
        read, deployment_data(deployment, read.data), deployment_state(deployment)
    )
    if ends:
        log_end(deployment)
    return document, deployment


def is_worth_writing(stored: Deployment, changed: Deployment, heartbeat: timedelta) -> bool:
    """Whether a change is worth a write: that nothing has changed is only once a `heartbeat`."""
    builds = _without_recent(stored.builds, changed.builds, heartbeat)
    runs = _without_recent(stored.runs, changed.runs, heartbeat)
    return replace(changed, builds=builds, runs=runs) != stored


def _without_recent(
    stored: Mapping[str, S], changed: Mapping[str, S], heartbeat: timedelta
) -> dict[str, S]:
    """Return changed steps as if those seen again within a heartbeat had not been."""
    return {
        name: replace(step, seen=stored[name].seen)
        if name in stored and _is_recent(stored[name].seen, step.seen, heartbeat)
        else step
        for name, step in changed.items()
    }


def _is_recent(stored: datetime | None, seen: datetime | None, heartbeat: timedelta) -> bool:
    return stored is not None and seen is not None and seen < stored + heartbeat
