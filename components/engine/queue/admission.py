"""Admission: a waiting deployment is admitted when others have ended, or is cancelled."""

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from backends.errors import BackendError
from backends.stores.base import Document, NotFound, StoreError
from components.engine.context import Answer, Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.merge import Beginning, Change, merged
from components.engine.deployments.model import Deployment
from components.engine.deployments.plan import plan
from components.engine.deployments.reading import deployments_in, deployments_to_recall
from components.engine.deployments.storing import store_change
from components.engine.errors import MadeByNewer, TooManyConflicts
from components.engine.instant import Instant
from components.engine.queue.reservation import read_snapshot
from components.engine.queue.rollout import Turn, take_turn
from components.engine.queue.state import position_message
from components.engine.runs.beginning import begun_runs
from components.engine.runs.unmarked import recalled


async def admit(engine: Engine, document: Document, deployment: Deployment) -> Answer[Deployment]:
    """Admit a waiting deployment, if it is its turn; return it as it is then.

    Its next step starts the builds. One that supersedes cancels those ahead of it first. If the
    tool's configuration was deleted meanwhile, it is cancelled. Raises `NotFound`,
    `TooManyConflicts`.
    """
    snapshot = await read_snapshot(engine, document.tool)
    if deployment.configured and snapshot.configuration is None:
        return Answer(await cancel(engine, document, CONFIGURATION_DELETED))
    ahead = snapshot.queue_state.ahead_of(deployment.id)
    if not engine.max_running or len(ahead) < engine.max_running:
        admitted = Change(admitted=snapshot.queue_state.now)
        return Answer(await store_change(engine, document, partial(merged, change=admitted)))
    if deployment.supersedes:
        await supersede(engine, snapshot.documents_of(ahead), deployment.id)
        return Answer(deployment, info=("it starts once what it supersedes has ended",))
    return Answer(deployment, info=(f"it {position_message(ahead, engine.max_running)}",))


async def begin_runs(
    engine: Engine, document: Document, deployment: Deployment
) -> Answer[Deployment]:
    """Begin the run phase of a deployment that is built, if it is its turn; return it.

    Nothing is started here: that is the next step. One that is older than a deployment whose run
    phase has begun is cancelled. Raises `NotFound`, `MadeByNewer`, `TooManyConflicts`.
    """
    turn, holder = await take_turn(engine, deployment)
    if turn is Turn.SUPERSEDED:
        return Answer(await cancel(engine, document, f"superseded by {holder!r}"))
    if turn is Turn.WAITS:
        return Answer(deployment, info=(f"its runs begin when those of {holder!r} have ended",))
    try:
        async with engine.runner_breaker.guard(deployment.tool, engine.builder_timeout / 2):
            listing = await engine.runner.list(deployment.tool)
    except (BackendError, TimeoutError) as error:
        why = str(error) or "no response in time"
        return Answer(deployment, (f"the runner does not respond, so no run has begun: {why}",))
    running = recalled(engine.runner, listing, await deployments_to_recall(engine, deployment.tool))
    now = await engine.store.now()
    unique_images = engine.builder.unique_images
    runs = begun_runs(deployment, running, now, unique_images=unique_images)
    change = Change(beginning=Beginning(now, runs))
    return Answer(await store_change(engine, document, partial(merged, change=change)))


CONFIGURATION_DELETED = "the configuration was deleted"


async def supersede(engine: Engine, documents: Iterable[Document], by: str) -> None:
    """Cancel deployments in favour of another. Their own next step cancels running builds."""
    for document in documents:
        # A removed one blocks nothing; one of a newer version is waited for.
        with suppress(NotFound, MadeByNewer):
            await cancel(engine, document, f"superseded by {by!r}")


async def cancel(engine: Engine, document: Document, reason: str) -> Deployment:
    """Cancel a deployment for a reason; a waiting one ends at once.

    Raises `NotFound`, `TooManyConflicts`.
    """
    at = await Instant.of(engine.store)

    def change(stored: Deployment) -> Deployment:
        cancelled = merged(stored, Change(cancel=True, reason=reason))
        if not stored.queued:
            return cancelled
        return plan(cancelled, at, engine.instance, engine.limits).deployment

    return await store_change(engine, document, change)


async def cancel_waiting(engine: Engine, tool: str) -> tuple[str, ...]:
    """Cancel a tool's waiting deployments after its configuration was deleted; return warnings."""
    try:
        found, _ = await deployments_in(engine, await engine.store.list(tool, DEPLOYMENT))
        for document, deployment in found:
            if deployment.queued and not deployment.status.is_final:
                with suppress(NotFound):  # it was removed; continue with the others
                    await cancel(engine, document, CONFIGURATION_DELETED)
    except (StoreError, TooManyConflicts, MadeByNewer) as error:
        return (f"cancelling the waiting deployments failed: {error}",)
    return ()
