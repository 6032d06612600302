"""What can be done with the deployments there are: list, show, cancel, delete."""

from dataclasses import replace
from functools import partial
from typing import TypeVar

from backends.stores.base import NotFound
from components.engine.context import Answer, Engine
from components.engine.documents import DEPLOYMENT
from components.engine.errors import AlreadyFinal, NoDeployment, NotFinal
from components.engine.finding import LATEST, find
from components.engine.merge import Change, merged
from components.engine.model import Deployment
from components.engine.progress import store_change
from components.engine.reading import deployment_of, deployments_in
from components.engine.refresh import Refresher, Which
from components.engine.reservation import give_up

T = TypeVar("T")


async def list_deployments(engine: Engine, tool: str) -> Answer[tuple[Deployment, ...]]:
    """Return a tool's deployments as they are stored, newest first."""
    found, corrupt = await deployments_in(engine, await engine.store.list(tool, DEPLOYMENT))
    deployments = tuple(deployment for _, deployment in found)
    return _with_warnings(engine, Answer(deployments), corrupt)


async def show_deployment(
    engine: Engine, refresher: Refresher, tool: str, deploy_id: str
) -> Answer[Deployment]:
    """Return a deployment, brought up to date unless it is final. `LATEST` is the newest one.

    Raises `NoDeployment`, `Corrupt`, `Contended`.
    """
    if deploy_id == LATEST:
        document = await find(engine, tool, deploy_id)
        which = Which(tool, document.name, document)
    else:
        which = Which(tool, deploy_id)
    return _with_warnings(engine, await refresher.refresh(which), ())


async def cancel_deployment(
    engine: Engine, refresher: Refresher, tool: str, deploy_id: str
) -> Answer[Deployment]:
    """Cancel a deployment: what was not started never is, what runs is told to end.

    Whoever advances it next goes on with that; this does so at once. To cancel again changes
    nothing more. Raises `NoDeployment`, `AlreadyFinal`, `Contended`.
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
    """Remove a deployment that is final, and return it. Raises `NoDeployment`, `NotFinal`."""
    document = await find(engine, tool, deploy_id)
    deployment = deployment_of(engine, document)
    if not deployment.status.is_final:
        raise NotFinal(deployment.id, deployment.status)
    # Before, so that what is not there is not taken for what is about to be.
    await give_up(engine, tool, deployment.id)
    try:
        await engine.store.delete(tool, DEPLOYMENT, document.name, document.version)
    except NotFound:
        raise NoDeployment(tool, deploy_id) from None
    refresher.forget(tool, document.name)
    return _with_warnings(engine, Answer(deployment), ())


def _with_warnings(engine: Engine, answer: Answer[T], warnings: tuple[str, ...]) -> Answer[T]:
    told = (*engine.notices, *answer.warnings, *warnings)
    return replace(answer, warnings=told)
