"""Taking a stored deployment one step forward, whatever that step is.

POST, GET and the background loop all call this, and nothing else changes what a deployment does. It
may be called at any time, any number of times, by any instance, and after any earlier call was
interrupted.
"""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from backends.stores.base import Conflict, Document, NotFound, Sealed, StoreError
from components.engine.builds.driver import BuildDriver, cancel_builds
from components.engine.builds.seeking import seek_planned
from components.engine.context import Answer, Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.merge import Change, change_of, merged
from components.engine.deployments.model import Deployment, Kind, Stage
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
from components.engine.queue.admission import admit, begin_runs
from components.engine.runs.driver import RunDriver
from components.engine.steps.asking import Answers, ask, end_and_ask
from components.engine.steps.driver import Driver
from components.engine.steps.starting import interrupted, start, start_messages

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMED_OUT = "{} did not respond in time: its calls continue in the background"
MANAGED_BY_NEWER = "a newer version of the service manages this deployment: not all of it is shown"

EXIT_SECONDS = 2.0
"""How long an interrupted step may take to store what is known of it."""


async def reconcile(engine: Engine, document: Document) -> Answer[Deployment]:
    """Return the deployment in `document` as it is now, having stored what changed.

    One that waits is admitted once it is its turn; one that is built begins its run phase. The
    backend is asked first, and what it says is judged then: nothing is started, or called too slow,
    while it does not answer. What is going to be done is stored before it is done. A settled
    deployment asks nothing and writes nothing.

    Raises `NotFound` where the deployment was removed meanwhile; builds that this call had started
    are then cancelled. Raises `TooManyConflicts`.
    """
    answers: Answers | None = None
    for _ in range(MAX_ATTEMPTS):
        deployment = deployment_of(engine, document)
        if deployment.is_settled:
            return Answer(deployment)
        if deployment.newer:
            return Answer(deployment, (MANAGED_BY_NEWER,))
        if deployment.stage is Stage.QUEUED:
            return await admit(engine, document, deployment)
        if deployment.stage is Stage.BEFORE_RUNS:
            return await begin_runs(engine, document, deployment)
        driver = driver_of(engine, deployment)
        if answers is None:
            seconds = engine.builder_timeout / 2
            answers = await ask(engine, driver, deployment, to_ask(deployment), seconds)
            await asyncio.sleep(0)  # planning 200 builds takes long: yield to other requests
        known = merged(deployment, change_of(deployment.kind, answers.updates))
        at = await Instant.of(engine.store)
        # No step is claimed that the breaker would not let start.
        may_start = answers.complete and driver.breaker.allows(deployment.tool)
        step = plan(known, at, engine.instance, engine.limits, start=may_start)
        if not is_worth_writing(deployment, step.deployment, engine.limits.heartbeat):
            return await execute(engine, document, step, answers.warnings)
        try:
            document, stored = await write(engine, document, step.deployment)
        except (Conflict, Sealed):
            document = await engine.store.get(document.tool, DEPLOYMENT, document.name)
        except asyncio.CancelledError:
            # It may have been stored, and this instance does not continue.
            await _store_before_exit(engine, document, _interrupted(engine, step))
            raise
        else:
            step = replace(step, deployment=stored)
            return await execute(engine, document, step, answers.warnings)
    raise TooManyConflicts(f"deployment {document.name!r}")


def driver_of(engine: Engine, deployment: Deployment) -> Driver[Any]:
    """Return what does the steps of a deployment that are under way."""
    return BuildDriver(engine) if deployment.kind is Kind.BUILD else RunDriver(engine)


async def execute(
    engine: Engine,
    document: Document,
    step: Plan,
    warnings: tuple[str, ...] = (),
    seconds: float | None = None,
) -> Answer[Deployment]:
    """Do what a plan says that `document` has, and store what came of it; see `reconcile`.

    What takes longer than `seconds` (`Engine.builder_timeout`) continues, and what is stored is
    returned.
    """
    if not step.acts:
        return Answer(step.deployment, warnings)
    builder_timeout = engine.builder_timeout if seconds is None else seconds
    answer = await engine.tasks.run(_executed(engine, document, step), builder_timeout)
    if answer is None:
        timed_out = TIMED_OUT.format(driver_of(engine, step.deployment).backend)
        return Answer(step.deployment, (*warnings, timed_out))
    return Answer(answer.value, (*warnings, *answer.warnings), answer.errors)


async def _executed(engine: Engine, document: Document, step: Plan) -> Answer[Deployment]:
    deployment, driver = step.deployment, driver_of(engine, step.deployment)
    async with AsyncExitStack() as stack:
        try:
            started, sought, ended = await asyncio.gather(
                start(engine, driver, deployment, step.launch, step.at.now),
                _unless_the_store_fails(seek_planned(engine, step, stack), {}),
                _unless_the_store_fails(
                    end_and_ask(engine, driver, deployment, step.cancel), Answers(complete=False)
                ),
            )
        except asyncio.CancelledError:
            await _store_before_exit(engine, document, _interrupted(engine, step))
            raise
        change = change_of(step.kind, {**ended.updates, **sought, **started})
        builds = {
            each.id for each in started.values() if step.kind is Kind.BUILD and each.id is not None
        }
        try:
            stored = await store_change(engine, document, partial(merged, change=change))
        except NotFound:
            await cancel_builds(engine, document.tool, builds)
            raise
        except asyncio.CancelledError:
            await _store_before_exit(engine, document, change)
            raise
        # What was decided while a build was being started may leave it without a deployment.
        kept = {build.id for build in stored.builds.values()}
        await cancel_builds(engine, document.tool, builds - kept)
    waiting, failed = start_messages(started)
    return Answer(stored, (*ended.warnings, *waiting), failed)


def _interrupted(engine: Engine, step: Plan) -> Change:
    driver = driver_of(engine, step.deployment)
    return change_of(step.kind, interrupted(engine, driver, step.deployment, step.launch))


async def _unless_the_store_fails(work: Awaitable[T], nothing: T) -> T:
    """Return the result of some work; nothing where the store does not answer: it is done again.

    What is started beside it has an outcome, which must be stored all the same.
    """
    try:
        return await work
    except StoreError as error:
        logger.warning("finding or ending steps failed: %s", error)
        return nothing


async def _store_before_exit(engine: Engine, document: Document, change: Change) -> None:
    """Store what is known as this is interrupted, so that another instance need not wait for it."""
    try:
        async with asyncio.timeout(EXIT_SECONDS):
            await store_change(engine, document, partial(merged, change=change))
    except (StoreError, EngineError, TimeoutError) as error:
        logger.warning(
            "the outcome of a cancelled step of %s could not be stored: %s", document.name, error
        )
