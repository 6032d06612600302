"""Storing what happens to a deployment: always a merge onto what is stored, never over it."""

import asyncio
from collections.abc import Callable
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

MAX_ATTEMPTS = 20
"""How often a write that met another one is tried again."""


async def put(engine: Engine, read: Document, deployment: Deployment) -> Document:
    """Store a deployment in the place of what was read, and log that it has ended, if it has.

    Raises `Conflict`, `Sealed`, `NotFound`.
    """
    await asyncio.sleep(0)  # to write 200 builds takes long: others are served before
    document = await engine.store.replace(
        read, deployment_data(deployment), deployment_state(deployment)
    )
    log_end(deployment)
    return document


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
    builds = {
        name: replace(build, seen=stored.builds[name].seen)
        if _is_recent(stored.builds[name].seen, build.seen, heartbeat)
        else build
        for name, build in changed.builds.items()
    }
    return replace(changed, builds=builds) != stored


def _is_recent(stored: datetime | None, seen: datetime | None, heartbeat: timedelta) -> bool:
    return stored is not None and seen is not None and seen < stored + heartbeat
