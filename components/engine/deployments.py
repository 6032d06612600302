"""What can be done with deployments: create, list, show, cancel, delete."""

from functools import partial
from typing import TypeVar

from backends.stores.base import AlreadyExists, Document, NotFound, StoreError
from components.configuration.validation import validate
from components.engine.advance import carry_out, claims_end
from components.engine.configurations import get_configuration
from components.engine.context import Answer, Engine
from components.engine.documents import (
    DEPLOYMENT,
    deployment_data,
    deployment_of,
    deployment_state,
    deployments_in,
)
from components.engine.errors import (
    AlreadyFinal,
    Contended,
    DeploymentSuperseded,
    NoDeployment,
    NoSuchTool,
    NotFinal,
)
from components.engine.finding import LATEST, find
from components.engine.merge import Change, merged
from components.engine.model import Deployment, new_deployment
from components.engine.plan import Plan, plan
from components.engine.progress import MAX_ATTEMPTS, store_change
from components.engine.prune import prune
from components.engine.refresh import Refresher, Which

T = TypeVar("T")

_RANDOM_NUMBERS = 1_000_000


async def create_deployment(engine: Engine, tool: str) -> Answer[Deployment]:
    """Deploy a tool's stored configuration: store the deployment, launch all its builds, prune.

    Raises `NoConfiguration`, `InvalidConfiguration`, `NoSuchTool`, `DeploymentSuperseded`,
    `Contended` and what the store raises.
    """
    configuration = await get_configuration(engine, tool)
    # An earlier version may have stored what this one would not take.
    validate(configuration)
    until = claims_end(engine)
    document, step = await _store_planned(engine, tool, configuration)
    try:
        answer = await carry_out(engine, document, step, until)
    except NotFound:
        raise DeploymentSuperseded(document.name, engine.deployments_kept) from None
    return _with_warnings(engine, answer, await _prune(engine, answer.value))


async def list_deployments(engine: Engine, tool: str) -> Answer[tuple[Deployment, ...]]:
    """Return a tool's deployments as they are stored, newest first."""
    found, corrupt = deployments_in(await engine.store.list(tool, DEPLOYMENT))
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
    deployment = deployment_of(document)
    if not deployment.status.is_final:
        raise NotFinal(deployment.id, deployment.status)
    try:
        await engine.store.delete(tool, DEPLOYMENT, document.name, document.version)
    except NotFound:
        raise NoDeployment(tool, deploy_id) from None
    refresher.forget(tool, document.name)
    return _with_warnings(engine, Answer(deployment), ())


async def _store_planned(engine: Engine, tool: str, configuration: object) -> tuple[Document, Plan]:
    """Store a deployment with all its builds claimed, under an id that nothing else has."""
    now = engine.stamps.after(await engine.store.now())
    for _ in range(MAX_ATTEMPTS):
        number = engine.random.randrange(_RANDOM_NUMBERS)
        deploy_id = f"{tool}-deploy-{now:%Y%m%d%H%M%S}-{number}"
        deployment = new_deployment(tool, deploy_id, now, configuration)
        step = plan(deployment, now, engine.instance, engine.limits)
        try:
            document = await engine.store.create(
                tool,
                DEPLOYMENT,
                deploy_id,
                deployment_data(step.deployment),
                deployment_state(step.deployment),
            )
        except AlreadyExists:
            continue
        except NotFound:
            raise NoSuchTool(tool) from None
        return document, step
    raise Contended(f"the list of deployments of tool {tool!r}")


async def _prune(engine: Engine, newest: Deployment) -> tuple[str, ...]:
    """Prune, and return warnings: the new deployment stands whether or not old ones can go."""
    try:
        return await prune(engine, newest.tool, newest.id)
    except StoreError as error:
        return (
            f"older deployments could not be removed, the next deployment tries again: {error}",
        )


def _with_warnings(engine: Engine, answer: Answer[T], warnings: tuple[str, ...]) -> Answer[T]:
    notice = (engine.builder.notice,) if engine.builder.notice else ()
    return Answer(answer.value, (*notice, *answer.warnings, *warnings), answer.errors)
