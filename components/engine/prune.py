"""Keeping the newest deployments of a tool and removing the others."""

import asyncio
from collections.abc import Collection

from backends.stores.base import Conflict, Document, NotFound
from components.engine.context import Engine
from components.engine.documents import DEPLOYMENT
from components.engine.errors import DeploymentSuperseded
from components.engine.model import Deployment
from components.engine.progress import MAX_ATTEMPTS
from components.engine.queueing import end
from components.engine.reading import deployment_of, deployments_in
from components.engine.stopping import cancel_all


def superseded(
    deployments: Collection[Deployment], kept: int, newest: str
) -> tuple[Deployment, ...]:
    """Return the deployments to remove so that `kept` stay: the oldest final ones first.

    Only where no final one is left, the oldest that still runs; never the one whose id is
    `newest`. The order is the same for everybody who looks, so that of several who prune at once
    none removes more than the others would.
    """
    excess = max(len(deployments) - kept, 0)
    oldest_first = sorted(
        deployments, key=lambda each: (not each.status.is_final, each.created, each.id)
    )
    return tuple(each for each in oldest_first[:excess] if each.id != newest)


async def prune(engine: Engine, tool: str, newest: str) -> tuple[str, ...]:
    """Remove what is superseded by the deployment `newest`; return warnings of what could not be.

    A deployment whose builds cannot be cancelled stays, and the next deployment tries again.
    Raises `DeploymentSuperseded` where `newest` itself has been removed by others already.
    """
    found, _ = await deployments_in(engine, await engine.store.list(tool, DEPLOYMENT))
    documents = {deployment.id: document for document, deployment in found}
    if newest not in documents:
        raise DeploymentSuperseded(newest, engine.deployments_kept)
    gone = superseded([each for _, each in found], engine.deployments_kept, newest)
    removed = await asyncio.gather(*(_remove(engine, documents[each.id]) for each in gone))
    return tuple(
        f"deployment {each.id!r} could not be removed, since its builds could not be cancelled: "
        "the next deployment tries again"
        for each, was_removed in zip(gone, removed, strict=True)
        if not was_removed
    )


async def _remove(engine: Engine, document: Document) -> bool:
    """Cancel what a deployment runs and remove it; return False where it has to stay."""
    for _ in range(MAX_ATTEMPTS):
        deployment = deployment_of(engine, document)
        if deployment.queued and not deployment.status.is_final:
            # It says first how it ended, and goes when the next one is made.
            await end(engine, document, "pushed out by newer deployments")
            return True
        if not await cancel_all(engine, deployment):
            return False
        try:
            await engine.store.delete(document.tool, document.kind, document.name, document.version)
        except NotFound:
            return True
        except Conflict:
            try:
                document = await engine.store.get(document.tool, document.kind, document.name)
            except NotFound:
                return True
        else:
            return True
    return False
