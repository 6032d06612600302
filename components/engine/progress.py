"""Storing what happens to a deployment: always a merge onto what is stored, never over it."""

from collections.abc import Callable
from dataclasses import replace

from backends.stores.base import Conflict, Document, Sealed
from components.engine.context import Engine
from components.engine.documents import (
    DEPLOYMENT,
    deployment_data,
    deployment_state,
)
from components.engine.ends import log_end
from components.engine.errors import Contended
from components.engine.model import Deployment
from components.engine.reading import deployment_of

MAX_ATTEMPTS = 20
"""How often a write that met another one is tried again."""


async def put(engine: Engine, read: Document, deployment: Deployment) -> Document:
    """Store a deployment in the place of what was read, and log that it has ended, if it has.

    Raises `Conflict`, `Sealed`, `NotFound`.
    """
    document = await engine.store.replace(
        read, deployment_data(deployment), deployment_state(deployment)
    )
    log_end(deployment)
    return document


async def store_change(
    engine: Engine, read: Document, change: Callable[[Deployment], Deployment]
) -> Deployment:
    """Apply `change` to the stored deployment, first as it was `read`; return what is stored then.

    Nothing is written where nothing changes but when it was seen. After a `Conflict` the
    deployment is read again and the change applied to that. Raises `NotFound` where it was removed,
    `Contended`.
    """
    document = read
    for _ in range(MAX_ATTEMPTS):
        stored = deployment_of(engine, document)
        changed = change(stored)
        if _as_unseen(changed) == _as_unseen(stored):
            return stored
        try:
            await put(engine, document, changed)
        except (Conflict, Sealed):
            document = await engine.store.get(read.tool, DEPLOYMENT, read.name)
        else:
            return changed
    raise Contended(f"deployment {read.name!r}")


def _as_unseen(deployment: Deployment) -> Deployment:
    # That a builder still says the same is not worth a write.
    builds = {name: replace(build, seen=None) for name, build in deployment.builds.items()}
    return replace(deployment, builds=builds)
