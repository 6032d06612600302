"""Reconciling a stored deployment: its next step, whatever that is.

POST, GET and the background loop all call this, and nothing else drives a deployment. Any instance
may call it at any time and any number of times, also after an earlier call was interrupted.
"""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TypeVar

from backends.stores.base import Conflict, Document, NotFound, Sealed, StoreError
from components.engine.builds.asking import Answers, ask
from components.engine.builds.launching import interrupted_builds, launch, launch_messages
from components.engine.builds.seeking import seek_planned
from components.engine.builds.stopping import cancel_builds, stop_planned
from components.engine.context import Answer, Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.merge import Change, merged
from components.engine.deployments.model import Deployment
from components.engine.deployments.plan import Plan, plan, to_ask
from components.engine.deployments.reading import deployment_of
from components.engine.deployments.storing import (
    MAX_ATTEMPTS,
    is_worth_writing,
    store_change,
    write,
)
from components.engine.errors import EngineError, TooManyConflicts
from components.engine.instant import Instant
from components.engine.queue.admission import admit

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMED_OUT = "the builder did not respond in time: its calls continue in the background"
MANAGED_BY_NEWER = "a newer version of the service manages this deployment: not all of it is shown"

EXIT_STORE_SECONDS = 2.0
"""How long a cancelled task may take to store what it knows."""


async def reconcile(engine: Engine, document: Document) -> Answer[Deployment]:
    """Return the deployment in `document` as it is now, after storing what changed.

    A waiting deployment is admitted when it is its turn. The builder is queried first: while it
    does not respond, nothing is started and nothing times out. Each action is stored before it is
    done. A settled deployment causes no query and no write.

    Raises `NotFound` where the deployment was removed meanwhile; the builds that this call started
    are then cancelled. Raises `TooManyConflicts`.
    """
    answers: Answers | None = None
    for _ in range(MAX_ATTEMPTS):
        deployment = deployment_of(engine, document)
        if deployment.is_settled:
            return Answer(deployment)
        if deployment.newer:
            return Answer(deployment, (MANAGED_BY_NEWER,))
        if deployment.queued and not deployment.cancel_requested:
            return await admit(engine, document, deployment)
        if answers is None:
            answers = await ask(engine, deployment, to_ask(deployment), engine.builder_timeout / 2)
            await asyncio.sleep(0)  # planning 200 builds takes long: yield to other requests
        known = merged(deployment, Change(answers.updates))
        at = await Instant.of(engine.store)
        # No build is claimed that the breaker would not let start.
        start = answers.complete and engine.breaker.allows(deployment.tool)
        step = plan(known, at, engine.instance, engine.limits, start=start)
        if not is_worth_writing(deployment, step.deployment, engine.limits.heartbeat):
            return await execute(engine, document, step, answers.warnings)
        try:
            document, stored = await write(engine, document, step.deployment)
        except (Conflict, Sealed):
            document = await engine.store.get(document.tool, DEPLOYMENT, document.name)
        except asyncio.CancelledError:
            # The plan may have been stored, but nothing executes it.
            await _store_before_exit(engine, document, Change(interrupted_builds(engine, step)))
            raise
        else:
            step = replace(step, deployment=stored)
            return await execute(engine, document, step, answers.warnings)
    raise TooManyConflicts(f"deployment {document.name!r}")


async def execute(
    engine: Engine,
    document: Document,
    step: Plan,
    warnings: tuple[str, ...] = (),
    seconds: float | None = None,
) -> Answer[Deployment]:
    """Execute a plan that is stored in `document`, and store the outcome; see `reconcile`.

    After `seconds` (default: `Engine.builder_timeout`) this returns the stored deployment, and the
    execution continues in the background.
    """
    if not (step.launch or step.seek or step.cancel):
        return Answer(step.deployment, warnings)
    builder_timeout = engine.builder_timeout if seconds is None else seconds
    answer = await engine.tasks.run(_execute_to_end(engine, document, step), builder_timeout)
    if answer is None:
        return Answer(step.deployment, (*warnings, TIMED_OUT))
    return Answer(answer.value, (*warnings, *answer.warnings), answer.errors)


async def _execute_to_end(engine: Engine, document: Document, step: Plan) -> Answer[Deployment]:
    async with AsyncExitStack() as stack:
        try:
            launched, sought, stopped = await asyncio.gather(
                launch(engine, step),
                _or_default(seek_planned(engine, step, stack), {}),
                _or_default(stop_planned(engine, step), Answers(complete=False)),
            )
        except asyncio.CancelledError:
            await _store_before_exit(engine, document, Change(interrupted_builds(engine, step)))
            raise
        updates = {**stopped.updates, **sought, **launched}
        started = {build.build_id for build in launched.values() if build.build_id is not None}
        try:
            stored = await store_change(engine, document, partial(merged, change=Change(updates)))
        except NotFound:
            await cancel_builds(engine, document.tool, started)
            raise
        except asyncio.CancelledError:
            await _store_before_exit(engine, document, Change(updates))
            raise
        # A change during the start may leave builds that no deployment refers to.
        known = {build.build_id for build in stored.builds.values()}
        await cancel_builds(engine, document.tool, started - known)
    waiting, rejected = launch_messages(launched)
    return Answer(stored, (*stopped.warnings, *waiting), rejected)


async def _or_default(work: Awaitable[T], default: T) -> T:
    """Return the result of `work`, or `default` on a store error: the next step does it again.

    The outcome of the launches that run concurrently must still be stored.
    """
    try:
        return await work
    except StoreError as error:
        logger.warning("finding or cancelling builds failed: %s", error)
        return default


async def _store_before_exit(engine: Engine, document: Document, change: Change) -> None:
    """Store what is known when this is cancelled, so that other instances need not wait."""
    try:
        async with asyncio.timeout(EXIT_STORE_SECONDS):
            await store_change(engine, document, partial(merged, change=change))
    except (StoreError, EngineError, TimeoutError) as error:
        logger.warning(
            "the outcome of a cancelled step of %s could not be stored: %s", document.name, error
        )
