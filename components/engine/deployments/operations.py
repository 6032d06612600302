"""Operations on existing deployments: list, show, cancel, delete."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from backends.stores.base import NotFound
from components.engine.context import Answer, Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.finding import find
from components.engine.deployments.merge import Change, merged
from components.engine.deployments.model import Deployment
from components.engine.deployments.reading import deployment_of, deployments_in
from components.engine.deployments.storing import store_change
from components.engine.errors import AlreadyFinal, NoDeployment, NotFinal
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
    engine: Engine, refresher: Refresher, tool: str, deploy_id: str
) -> Answer[Deployment]:
    """Remove a settled deployment, and return it.

    If it has just ended, this waits for `MIN_VISIBLE_SECONDS`. Raises `NoDeployment`, `NotFinal`.
    """
    document = await find(engine, tool, deploy_id)
    deployment = deployment_of(engine, document)
    if not deployment.is_settled:
        raise NotFinal(deployment.id, deployment.status, may_run=deployment.status.is_final)
    await _wait_until_visible(engine, deployment)
    # Before the removal: the queue must not mistake it for one that is about to be stored.
    await release(engine, tool, {deployment.id})
    try:
        await engine.store.delete(tool, DEPLOYMENT, document.name, document.version)
    except NotFound:
        raise NoDeployment(tool, deploy_id) from None
    refresher.invalidate(tool, document.name)
    return _with_warnings(engine, Answer(deployment), ())


async def _wait_until_visible(engine: Engine, deployment: Deployment) -> None:
    """Wait until clients that watch a deployment, on any instance, had time to read its end."""
    if deployment.ended:
        age = await engine.store.now() - deployment.ended
        await asyncio.sleep(max(0.0, MIN_VISIBLE_SECONDS - age.total_seconds()))


def _with_warnings(engine: Engine, answer: Answer[T], warnings: tuple[str, ...]) -> Answer[T]:
    warnings = (*engine.notices, *answer.warnings, *warnings)
    return replace(answer, warnings=warnings)
