"""Pruning: removing all but the newest deployments of a tool."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from backends.stores.base import Conflict, Document, NotFound
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.reading import deployments_in
from components.engine.queue.admission import cancel
from components.engine.queue.documents import QUEUE
from components.engine.queue.reservation import release


@dataclass(frozen=True, slots=True)
class Pruning:
    """Which deployments to remove, and which to cancel and remove later, oldest first."""

    remove: tuple[Deployment, ...] = ()
    cancel: tuple[Deployment, ...] = ()


def pruning(
    deployments: Collection[Deployment], kept: int, newest: str, *, cancel_running: bool
) -> Pruning:
    """Return which of a tool's deployments to remove or cancel so that `kept` remain.

    The oldest settled ones are removed, but never the newest FINISHED one, which a rollback needs,
    nor the one whose id is `newest`. Only if that is not enough, and if `cancel_running`, the
    oldest running ones are cancelled: they are removed later, when they are settled.
    The order is the same on every instance, so that concurrent pruning removes no more than needed.
    """
    oldest_first = sorted(deployments, key=lambda each: (each.created, each.id))
    finished = [each for each in oldest_first if each.status is DeploymentStatus.FINISHED]
    excess = max(len(deployments) - kept, 0)
    # Those that are ending are removed too, but later.
    ending = [each for each in oldest_first if not each.is_settled and _is_ending(each)]
    remove = [each for each in oldest_first if each.is_settled and each not in finished[-1:]]
    left = excess - min(len(remove), excess) - len(ending) if cancel_running else 0
    running = [each for each in oldest_first if not (each.is_settled or _is_ending(each))]
    return Pruning(
        tuple(each for each in remove[:excess] if each.id != newest),
        tuple(each for each in running[: max(left, 0)] if each.id != newest and not each.newer),
    )


def _is_ending(deployment: Deployment) -> bool:
    return deployment.cancel_requested or deployment.status.is_final


async def prune(engine: Engine, tool: str, newest: str) -> None:
    """Prune a tool's deployments after `newest` was stored."""
    listing = await engine.store.list(tool, DEPLOYMENT, QUEUE)
    found, _ = await deployments_in(engine, listing)
    queues = [each for each in listing.documents if each.kind == QUEUE]
    documents = {deployment.id: document for document, deployment in found}
    # With a limit on running deployments, pruning never cancels what runs or waits.
    outcome = pruning(
        [each for _, each in found],
        engine.deployments_kept,
        newest,
        cancel_running=not engine.max_running,
    )
    await remove(engine, tool, [documents[each.id] for each in outcome.remove], *queues)
    for each in outcome.cancel:
        await cancel(engine, documents[each.id], f"pruned in favour of {newest!r}")


async def remove(
    engine: Engine, tool: str, documents: Collection[Document], queue: Document | None = None
) -> None:
    """Remove settled deployments; `queue` is the tool's queue as just read, if it has one."""
    if queue is not None and documents:
        # Before the removal: the queue must not mistake them for ones about to be stored.
        await release(engine, tool, {each.name for each in documents}, queue)
    await asyncio.gather(*(_remove(engine, each) for each in documents))


async def _remove(engine: Engine, document: Document) -> None:
    # Another writer removed or changed it; the next pruning removes it.
    with suppress(NotFound, Conflict):
        await engine.store.delete(document.tool, document.kind, document.name, document.version)
