"""What can be done with the deployments there are: list, show, cancel, delete."""

import asyncio
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
from components.engine.queue.reservation import release

T = TypeVar("T")

TOLD_SECONDS = MAX_PAUSE_SECONDS + 1
"""How long a deployment is there at least after its end, before it can be deleted."""


async def list_deployments(engine: Engine, tool: str) -> Answer[tuple[Deployment, ...]]:
    """Return a tool's deployments as they are stored, newest first."""
    found, corrupt = await deployments_in(engine, await engine.store.list(tool, DEPLOYMENT))
    deployments = tuple(deployment for _, deployment in found)
    return _with_warnings(engine, Answer(deployments), corrupt)


async def show_deployment(
    engine: Engine, refresher: Refresher, tool: str, deploy_id: str
) -> Answer[Deployment]:
    """Return a deployment, brought up to date unless it is final. `LATEST` is the newest one.

    Raises `NoDeployment`, `Corrupt`, `TooManyConflicts`.
    """
    document = await find(engine, tool, deploy_id)
    return _with_warnings(engine, await refresher.refresh(document), ())


async def cancel_deployment(
    engine: Engine, refresher: Refresher, tool: str, deploy_id: str
) -> Answer[Deployment]:
    """Cancel a deployment: what was not started never is, what runs is told to end.

    Whoever advances it next goes on with that; this does so at once. To cancel again changes
    nothing more. Raises `NoDeployment`, `AlreadyFinal`, `TooManyConflicts`.
    """
    document = await find(engine, tool, deploy_id)
    found = deployment_of(engine, document)
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
    refresher.forget(tool, document.name)
    return await show_deployment(engine, refresher, tool, document.name)


async def delete_deployment(
    engine: Engine, refresher: Refresher, tool: str, deploy_id: str
) -> Answer[Deployment]:
    """Remove a deployment that is settled, and return it.

    One that has ended only just now goes a little later. Raises `NoDeployment`, `NotFinal`.
    """
    document = await find(engine, tool, deploy_id)
    deployment = deployment_of(engine, document)
    if not deployment.is_settled:
        raise NotFinal(deployment.id, deployment.status, may_run=deployment.status.is_final)
    await _until_told(engine, deployment)
    # Before, so that what is not there is not taken for what is about to be.
    await release(engine, tool, {deployment.id})
    try:
        await engine.store.delete(tool, DEPLOYMENT, document.name, document.version)
    except NotFound:
        raise NoDeployment(tool, deploy_id) from None
    refresher.forget(tool, document.name)
    return _with_warnings(engine, Answer(deployment), ())


async def _until_told(engine: Engine, deployment: Deployment) -> None:
    """Leave whoever watches a deployment, on any instance, the time to look at how it has ended."""
    if deployment.ended:
        age = await engine.store.now() - deployment.ended
        await asyncio.sleep(max(0.0, TOLD_SECONDS - age.total_seconds()))


def _with_warnings(engine: Engine, answer: Answer[T], warnings: tuple[str, ...]) -> Answer[T]:
    warnings = (*engine.notices, *answer.warnings, *warnings)
    return replace(answer, warnings=warnings)
