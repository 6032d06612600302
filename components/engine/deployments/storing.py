"""Storing changes of a deployment: always merged into what is stored, never overwriting it."""

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
"""How often a write is tried after conflicts."""


async def put(engine: Engine, read: Document, deployment: Deployment) -> Document:
    """Replace the document that was read, and log the deployment's end, if it has ended.

    Raises `Conflict`, `Sealed`, `NotFound`.
    """
    await asyncio.sleep(0)  # serializing 200 builds takes long: yield to other requests
    document = await engine.store.replace(
        read, deployment_data(deployment), deployment_state(deployment)
    )
    log_end(deployment)
    return document


async def store_change(
    engine: Engine, read: Document, change: Callable[[Deployment], Deployment]
) -> Deployment:
    """Apply `change` to the stored deployment, first as it was `read`; return what is then stored.

    Writes only if something changed. After a `Conflict` it reads the deployment and applies the
    change again. Raises `NotFound` where it was removed, `MadeByNewer`, `TooManyConflicts`.
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
    """Replace the document that was `read`; return the document and the deployment as stored.

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
    """Whether to write a change: a new `seen` time alone is written once per `heartbeat`."""
    builds = {
        name: replace(build, seen=stored.builds[name].seen)
        if _is_recent(stored.builds[name].seen, build.seen, heartbeat)
        else build
        for name, build in changed.builds.items()
    }
    return replace(changed, builds=builds) != stored


def _is_recent(stored: datetime | None, seen: datetime | None, heartbeat: timedelta) -> bool:
    return stored is not None and seen is not None and seen < stored + heartbeat
