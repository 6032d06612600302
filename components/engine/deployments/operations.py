"""Operations on existing deployments: list, show, cancel, delete."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from backends.stores.base import Conflict, Document, NotFound
from components.engine.context import Answer, Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.finding import find
from components.engine.deployments.merge import Change, merged
from components.engine.deployments.model import Deployment
from components.engine.deployments.reading import deployment_of, deployments_in
from components.engine.deployments.storing import MAX_ATTEMPTS, store_change
from components.engine.errors import (
    AlreadyFinal,
    MadeByNewer,
    NoDeployment,
    NotFinal,
    TooManyConflicts,
)
from components.engine.loop.refreshing import Refresher
from components.engine.loop.waiting import MAX_PAUSE_SECONDS
from components.engine.permitted import check_components
from components.engine.queue.reservation import release

T = TypeVar("T")

MIN_VISIBLE_SECONDS = MAX_PAUSE_SECONDS + 1
"""How long a deployment that has ended stays visible before it can be deleted."""


async def list_deployments(engine: Engine, tool: str) -> Answer[tuple[Deployment, ...]]:
    """Return a tool's deployments as they are stored, newest first."""
    found, corrupt = await deployments_in(engine, await engine.store.list(tool, DEPLOYMENT))
    deployments = tuple(deployment for _, deployment in found)
    return _with_warnings(engine, Answer(deployments), corrupt)


async def show_deployment(
    engine: Engine, refresher: Refresher, tool: str, deploy_id: str
) -> Answer[Deployment]:
    """Return a deployment, refreshed unless it is settled. `LATEST` is the newest one.

    Raises `NoDeployment`, `Corrupt`, `TooManyConflicts`.
    """
    document = await find(engine, tool, deploy_id)
    return _with_warnings(engine, await refresher.refresh(document), ())


async def cancel_deployment(
    engine: Engine,
    refresher: Refresher,
    tool: str,
    deploy_id: str,
    permitted: Sequence[str] | None = None,
) -> Answer[Deployment]:
    """Cancel a deployment: waiting builds never start, running builds are cancelled.

    This reconciles it at once; later reconciliations continue. Cancelling again has no effect.
    `permitted`, if not None, are the only components that the caller may deploy.
    Raises `NoDeployment`, `NotPermitted`, `AlreadyFinal`, `TooManyConflicts`.
    """
    document = await find(engine, tool, deploy_id)
    found = deployment_of(engine, document)
    check_components(permitted, found.configuration["components"])
    if found.status.is_final:
        raise AlreadyFinal(found.id, found.status)
    try:
        cancelled = await store_change(
            engine, document, partial(merged, change=Change(cancel=True))
        )
    except NotFound:
        raise NoDeployment(tool, deploy_id) from None
    if not cancelled.cancel_requested:
        raise AlreadyFinal(cancelled.id, cancelled.status)
    refresher.invalidate(tool, document.name)
    return await show_deployment(engine, refresher, tool, document.name)


async def delete_deployment(
    engine: Engine, refresher: Refresher, tool: str, deploy_id: str, *, unfinished: bool = False
) -> Answer[Deployment]:
    """Remove a settled deployment, and return it.

    With `unfinished`, one that has not ended is removed too: what it has started is left alone,
    and nothing is started for it any more. A start that is under way at that moment is taken back:
    `reconcile` cancels a build whose deployment has gone.

    If it has just ended, this waits for `MIN_VISIBLE_SECONDS`. Raises `NoDeployment`, `NotFinal`;
    with `unfinished` also `MadeByNewer`, `TooManyConflicts`.
    """
    document = await find(engine, tool, deploy_id)
    deployment = deployment_of(engine, document)
    if deployment.is_settled:
        await _wait_until_visible(engine, deployment)
        # Before the removal: the queue must not mistake it for one that is about to be stored.
        await release(engine, tool, {deployment.id})
        await _remove(engine, document)
    elif unfinished:
        deployment = await _remove_unfinished(engine, document)
        # After the removal: one that waits must not lose its place and run before the others.
        await release(engine, tool, {deployment.id})
    else:
        raise NotFinal(deployment.id, deployment.status, may_run=deployment.status.is_final)
    refresher.invalidate(tool, document.name)
    return _with_warnings(engine, Answer(deployment), ())


async def _remove_unfinished(engine: Engine, read: Document) -> Deployment:
    """Remove a deployment that may be changing, and return it as it was then.

    Whoever plans its next step loses the write of that plan, and so does nothing.
    """
    document = read
    for _ in range(MAX_ATTEMPTS):
        deployment = deployment_of(engine, document)
        if deployment.newer:
            raise MadeByNewer(deployment.id)
        try:
            await _remove(engine, document)
        except Conflict:
            document = await find(engine, document.tool, document.name)
        else:
            return deployment
    raise TooManyConflicts(f"deployment {document.name!r}")


async def _remove(engine: Engine, document: Document) -> None:
    try:
        await engine.store.delete(document.tool, DEPLOYMENT, document.name, document.version)
    except NotFound:
        raise NoDeployment(document.tool, document.name) from None


async def _wait_until_visible(engine: Engine, deployment: Deployment) -> None:
    """Wait until clients that watch a deployment, on any instance, had time to read its end."""
    if deployment.ended:
        age = await engine.store.now() - deployment.ended
        await asyncio.sleep(max(0.0, MIN_VISIBLE_SECONDS - age.total_seconds()))


def _with_warnings(engine: Engine, answer: Answer[T], warnings: tuple[str, ...]) -> Answer[T]:
    warnings = (*engine.notices, *answer.warnings, *warnings)
    return replace(answer, warnings=warnings)
