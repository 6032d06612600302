"""Creating deployments: deploy, retry and rollback."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from backends.stores.base import AlreadyExists, Document, NotFound, OverQuota, Rejected, StoreError
from components.engine.configurations.fetching import configuration_to_deploy
from components.engine.context import Answer, Engine
from components.engine.creation.drafts import (
    DEFAULTS,
    DeployRequest,
    Draft,
    draft_of_configuration,
    draft_of_retry,
    draft_of_rollback,
)
from components.engine.creation.idempotency import idempotency_key
from components.engine.deployments.documents import (
    DEPLOYMENT,
    deployment_data,
    deployment_state,
)
from components.engine.deployments.ends import log_end
from components.engine.deployments.model import Deployment
from components.engine.deployments.plan import Plan, plan
from components.engine.deployments.pruning import prune, pruning, remove
from components.engine.deployments.reading import deployment_of
from components.engine.deployments.reconcile import execute
from components.engine.errors import NoDeployment, NoSuchTool, TooManyConflicts
from components.engine.instant import Instant
from components.engine.permitted import check_components, check_supersede
from components.engine.queue.admission import cancel, supersede
from components.engine.queue.reservation import (
    IdempotencyKey,
    Reservation,
    Snapshot,
    earlier_reservation,
    read_snapshot,
    release,
    reserve,
)
from components.engine.queue.state import WhenBusy, position_message
from components.engine.runs.model import Run

Drafting = Callable[[Engine, Snapshot], Awaitable[Draft]]


@dataclass(frozen=True, slots=True)
class Stored:
    """The first step of a stored deployment, and the deployments that it waits for."""

    step: Plan
    ahead: tuple[str, ...]


async def create_deployment(
    engine: Engine, tool: str, options: DeployRequest = DEFAULTS, key: str | None = None
) -> Answer[Deployment]:
    """Deploy a tool's configuration: store the deployment, launch all its builds, prune.

    A `key` makes it idempotent: another request with the same key returns the same deployment.
    Raises what `configuration_to_deploy` raises, `UnknownComponents`, `NotPermitted`, `NoSuchTool`,
    `Busy`, `QueueFull`, `TooManyUnfinished`, `KeyReused`, `TooManyConflicts` and what the store
    raises.
    """

    async def drafting(engine: Engine, snapshot: Snapshot) -> Draft:
        current = await configuration_to_deploy(engine, tool, snapshot.configuration)
        return await draft_of_configuration(engine, snapshot, current, options)

    return await _create(
        engine,
        tool,
        drafting,
        options,
        idempotency_key(key, "deploy", options),
    )


async def retry_deployment(
    engine: Engine,
    tool: str,
    deploy_id: str,
    options: DeployRequest = DEFAULTS,
    key: str | None = None,
) -> Answer[Deployment]:
    """Deploy an earlier deployment's configuration and commits; build what did not finish.

    Raises `NoDeployment`, `NotFinal`, `NothingToRetry`, and what `create_deployment` raises.
    """
    return await _create(
        engine,
        tool,
        lambda engine, snapshot: draft_of_retry(engine, snapshot, deploy_id),
        options,
        idempotency_key(key, f"retry {deploy_id}", options),
    )


async def roll_back(
    engine: Engine,
    tool: str,
    deploy_id: str,
    options: DeployRequest = DEFAULTS,
    key: str | None = None,
) -> Answer[Deployment]:
    """Deploy the builds of an earlier, finished deployment; nothing is built.

    Raises `NoDeployment`, `NotFinal`, `NotDeployable`, `ImagesGone`, and what `create_deployment`
    raises.
    """
    return await _create(
        engine,
        tool,
        lambda engine, snapshot: draft_of_rollback(engine, snapshot, deploy_id),
        options,
        idempotency_key(key, f"rollback {deploy_id}", options),
    )


async def _create(
    engine: Engine,
    tool: str,
    drafting: Drafting,
    options: DeployRequest,
    idempotency_key: IdempotencyKey | None,
) -> Answer[Deployment]:
    deadline = asyncio.get_running_loop().time() + engine.builder_timeout
    snapshot = await read_snapshot(engine, tool)
    earlier = earlier_reservation(snapshot, idempotency_key)
    if earlier and earlier.deploy_id in snapshot.documents:
        return _repeated(engine, snapshot.documents[earlier.deploy_id])
    check_supersede(options.permitted, options.when_busy)
    draft = await drafting(engine, snapshot)
    check_components(options.permitted, draft.configuration["components"])
    reservation, snapshot = await reserve(engine, snapshot, options.when_busy, idempotency_key)
    if reservation.repeated and reservation.deploy_id in snapshot.documents:
        return _repeated(engine, snapshot.documents[reservation.deploy_id])
    try:
        new, document = await _store(engine, snapshot, reservation, draft, options)
    except AlreadyExists:
        if idempotency_key is None:
            raise TooManyConflicts(f"the list of deployments of tool {tool!r}") from None
        # A concurrent request with the same key has stored it.
        return _repeated(engine, await engine.store.get(tool, DEPLOYMENT, reservation.deploy_id))
    except NotFound:
        raise NoSuchTool(tool) from None
    except Rejected:
        await release(engine, tool, {reservation.deploy_id})
        raise
    other = await _concurrent_duplicate(engine, reservation, idempotency_key, document)
    if other is not None:
        return _repeated(engine, other)
    left = deadline - asyncio.get_running_loop().time()
    # A part of the time is reserved for the launch, so that the response can report it.
    return await _begin(
        engine, snapshot, new, document, draft, max(left, engine.builder_timeout / 5)
    )


async def _store(
    engine: Engine,
    snapshot: Snapshot,
    reservation: Reservation,
    draft: Draft,
    options: DeployRequest,
) -> tuple[Stored, Document]:
    """Store a deployment under its reservation, with all its builds claimed if it may start."""
    now = max(reservation.since, await engine.store.now())
    if now >= reservation.since + engine.limits.launch / 2:
        # Its reservation, or its key, may expire before it is stored.
        raise TooManyConflicts(f"the queue of tool {snapshot.tool!r}")
    waits = engine.max_running and len(reservation.ahead) >= engine.max_running
    ahead = reservation.ahead if waits else ()
    new = Deployment(
        snapshot.tool,
        reservation.deploy_id,
        reservation.since,
        draft.configuration,
        draft.builds,
        queued=bool(ahead),
        supersedes=bool(ahead) and options.when_busy is WhenBusy.SUPERSEDE,
        description=options.description,
        configured=snapshot.configuration is not None,
        runs=_pending_runs(engine, draft),
        selected=draft.selected,
        force_build=options.force_build,
        force_run=options.force_run,
        on_failure=options.on_failure,
    )
    step = plan(new, Instant(now), engine.instance, engine.limits)
    if step.deployment.status.is_final:
        step = replace(step, deployment=replace(step.deployment, ended=now))
    data, state = deployment_data(step.deployment), deployment_state(step.deployment)
    try:
        document = await engine.store.create(snapshot.tool, DEPLOYMENT, new.id, data, state)
    except OverQuota:
        # Prune one more deployment than needed, and try again.
        await _make_room(engine, snapshot, new.id)
        document = await engine.store.create(snapshot.tool, DEPLOYMENT, new.id, data, state)
    if step.deployment.ended:
        log_end(step.deployment)
    return Stored(step, ahead), document


def _pending_runs(engine: Engine, draft: Draft) -> dict[str, Run]:
    if not engine.runner.runs:
        return {}
    return dict.fromkeys(draft.configuration["components"], Run(message="waits for the builds"))


async def _begin(
    engine: Engine,
    snapshot: Snapshot,
    new: Stored,
    document: Document,
    draft: Draft,
    seconds: float,
) -> Answer[Deployment]:
    """Launch the claimed builds of a stored deployment; return it with the messages for users."""
    step, ahead = new.step, new.ahead
    info = tuple(
        f"{name}: {each.build.message}" for name, each in draft.decisions.items() if each.is_reuse
    )
    if step.deployment.supersedes:
        # The deployment is stored; its next step supersedes them again.
        with suppress(StoreError, TooManyConflicts):
            await supersede(engine, snapshot.documents_of(ahead), document.name)
        info = (f"{document.name!r} starts once what it supersedes has ended", *info)
    elif ahead:
        info = (f"{document.name!r} {position_message(ahead, engine.max_running)}", *info)
    try:
        answer = await execute(engine, document, step, seconds=seconds)
    except NotFound:
        raise NoDeployment(snapshot.tool, document.name) from None
    except (StoreError, TooManyConflicts) as error:
        # It is stored, and its next step determines the outcome of the launch.
        answer = Answer(
            step.deployment, (f"the outcome of starting its builds is not known yet: {error}",)
        )
    pruned = await _prune(engine, document)
    warnings = (*engine.notices, *draft.warnings, *answer.warnings, *pruned)
    return Answer(answer.value, warnings, answer.errors, (*draft.info, *info))


async def _concurrent_duplicate(
    engine: Engine,
    reservation: Reservation,
    idempotency_key: IdempotencyKey | None,
    document: Document,
) -> Document | None:
    """Return the deployment of the same request, if another request took its key meanwhile.

    This can happen only where storing this one took long; this one is then cancelled.
    """
    if (
        idempotency_key is None
        or await engine.store.now() < reservation.since + engine.limits.launch / 2
    ):
        return None
    snapshot = await read_snapshot(engine, document.tool)
    taken = earlier_reservation(snapshot, idempotency_key)
    if taken is None or taken.deploy_id == document.name:
        return None
    await cancel(engine, document, f"the same request created {taken.deploy_id!r}")
    return snapshot.documents.get(taken.deploy_id)


async def _make_room(engine: Engine, snapshot: Snapshot, newest: str) -> None:
    """Prune one more settled deployment than needed."""
    kept = max(len(snapshot.documents) - 1, 0)
    excess = pruning(snapshot.queue_state.deployments.values(), kept, newest, cancel_running=False)
    gone = [each.id for each in excess.remove]
    await remove(engine, snapshot.tool, snapshot.documents_of(gone), snapshot.queue)


async def _prune(engine: Engine, newest: Document) -> tuple[str, ...]:
    """Prune, and return warnings: an error does not affect the new deployment."""
    try:
        await prune(engine, newest.tool, newest.name)
    except (StoreError, TooManyConflicts) as error:
        return (f"pruning older deployments failed, the next deployment tries again: {error}",)
    return ()


def _repeated(engine: Engine, document: Document) -> Answer[Deployment]:
    message = "this request was made before: this is the deployment that it created"
    return Answer(deployment_of(engine, document), engine.notices, info=(message,))
