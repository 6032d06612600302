"""Keeping the newest deployments of a tool and removing the others."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from backends.stores.base import Conflict, Document, NotFound
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.reading import deployments_in
from components.engine.queue.admission import end
from components.engine.queue.documents import QUEUE
from components.engine.queue.reservation import release


@dataclass(frozen=True, slots=True)
class Pruning:
    """Which deployments are removed, and which are ended so that they can be, oldest first."""

    remove: tuple[Deployment, ...] = ()
    end: tuple[Deployment, ...] = ()


def pruning(deployments: Collection[Deployment], kept: int, newest: str, *, ends: bool) -> Pruning:
    """Return what becomes of a tool's deployments so that `kept` stay.

    The oldest that are settled are removed, but never the newest that has finished, which is the
    one to go back to, nor the one whose id is `newest`. Only where that is not enough, and only if
    `ends`, the oldest that run are ended: they go later, once nothing of them can run any more.
    The order is the same for everybody who looks, so that of several who prune at once none removes
    more than the others would.
    """
    oldest_first = sorted(deployments, key=lambda each: (each.created, each.id))
    finished = [each for each in oldest_first if each.status is DeploymentStatus.FINISHED]
    excess = max(len(deployments) - kept, 0)
    # What is being ended already goes too, only later.
    going = [each for each in oldest_first if not each.is_settled and _is_going(each)]
    remove = [each for each in oldest_first if each.is_settled and each not in finished[-1:]]
    left = excess - min(len(remove), excess) - len(going) if ends else 0
    running = [each for each in oldest_first if not (each.is_settled or _is_going(each))]
    return Pruning(
        tuple(each for each in remove[:excess] if each.id != newest),
        tuple(each for each in running[: max(left, 0)] if each.id != newest and not each.newer),
    )


def _is_going(deployment: Deployment) -> bool:
    return deployment.cancel_requested or deployment.status.is_final


async def prune(engine: Engine, tool: str, newest: str) -> None:
    """Remove, or end, what there is too much of now that there is the deployment `newest`."""
    listing = await engine.store.list(tool, DEPLOYMENT, QUEUE)
    found, _ = await deployments_in(engine, listing)
    queues = [each for each in listing.documents if each.kind == QUEUE]
    documents = {deployment.id: document for document, deployment in found}
    # Where there is a limit, what runs or waits is what may: it is never ended for others.
    what = pruning(
        [each for _, each in found],
        engine.deployments_kept,
        newest,
        ends=not engine.max_running,
    )
    await remove(engine, tool, [documents[each.id] for each in what.remove], *queues)
    for each in what.end:
        await end(engine, documents[each.id], f"pushed out by {newest!r}")


async def remove(
    engine: Engine, tool: str, documents: Collection[Document], queue: Document | None = None
) -> None:
    """Remove deployments that are settled; `queue` is the tool's, as just read, if it has one."""
    if queue is not None and documents:
        # Before, so that what is not there is not taken for what is about to be.
        await release(engine, tool, {each.name for each in documents}, queue)
    await asyncio.gather(*(_remove(engine, each) for each in documents))


async def _remove(engine: Engine, document: Document) -> None:
    # Somebody else has removed it, or touched it: then it goes next time.
    with suppress(NotFound, Conflict):
        await engine.store.delete(document.tool, document.kind, document.name, document.version)
