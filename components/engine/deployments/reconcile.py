"""Taking a stored deployment one step forward, whatever that step is.

POST, GET and the background loop all call this, and nothing else moves a deployment. It may be
called at any time, any number of times, by any instance, and after any earlier call was broken off.
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
from components.engine.builds.launching import broken_off, launch, launch_messages
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

GOES_ON = "the builder has not answered in time: what was asked of it goes on"
LEFT_ALONE = "a newer version of the service looks after this deployment: not all of it is shown"

LAST_WORDS_SECONDS = 2.0
"""How long what is broken off may take to say in the store what is known of it."""


async def reconcile(engine: Engine, document: Document) -> Answer[Deployment]:
    """Return the deployment in `document` as it is now, having stored what changed.

    One that waits is let in once it is its turn. The builder is asked first, and what it says is
    judged then: nothing is started, or called too slow, while it does not answer. What is going to
    be done is stored before it is done. A settled deployment asks nothing and writes nothing.

    Raises `NotFound` where the deployment was removed meanwhile; what this call had started is then
    cancelled. Raises `TooManyConflicts`.
    """
    answers: Answers | None = None
    for _ in range(MAX_ATTEMPTS):
        deployment = deployment_of(engine, document)
        if deployment.is_settled:
            return Answer(deployment)
        if deployment.newer:
            return Answer(deployment, (LEFT_ALONE,))
        if deployment.queued and not deployment.cancel_requested:
            return await admit(engine, document, deployment)
        if answers is None:
            answers = await ask(engine, deployment, to_ask(deployment), engine.builder_timeout / 2)
            await asyncio.sleep(0)  # to read and to judge 200 builds takes long: others are served
        known = merged(deployment, Change(answers.updates))
        at = await Instant.of(engine.store)
        # What would not be asked of the builder anyway is not claimed.
        start = answers.complete and engine.breaker.lets(deployment.tool)
        step = plan(known, at, engine.instance, engine.limits, start=start)
        if not is_worth_writing(deployment, step.deployment, engine.limits.heartbeat):
            return await execute(engine, document, step, answers.warnings)
        try:
            document, stored = await write(engine, document, step.deployment)
        except (Conflict, Sealed):
            document = await engine.store.get(document.tool, DEPLOYMENT, document.name)
        except asyncio.CancelledError:
            # It may have been stored, and nobody goes on with it.
            await _last_words(engine, document, Change(broken_off(engine, step)))
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
    """Do what a plan says that `document` has, and store what came of it; see `reconcile`.

    What takes longer than `seconds` (`Engine.patience`) goes on, and what is stored is returned.
    """
    if not (step.launch or step.seek or step.cancel):
        return Answer(step.deployment, warnings)
    builder_timeout = engine.builder_timeout if seconds is None else seconds
    answer = await engine.work.result(_done(engine, document, step), builder_timeout)
    if answer is None:
        return Answer(step.deployment, (*warnings, GOES_ON))
    return Answer(answer.value, (*warnings, *answer.warnings), answer.errors)


async def _done(engine: Engine, document: Document, step: Plan) -> Answer[Deployment]:
    async with AsyncExitStack() as stack:
        try:
            launched, sought, stopped = await asyncio.gather(
                launch(engine, step),
                _or(seek_planned(engine, step, stack), {}),
                _or(stop_planned(engine, step), Answers(complete=False)),
            )
        except asyncio.CancelledError:
            await _last_words(engine, document, Change(broken_off(engine, step)))
            raise
        updates = {**stopped.updates, **sought, **launched}
        started = {build.build_id for build in launched.values() if build.build_id is not None}
        try:
            stored = await store_change(engine, document, partial(merged, change=Change(updates)))
        except NotFound:
            await cancel_builds(engine, document.tool, started)
            raise
        except asyncio.CancelledError:
            await _last_words(engine, document, Change(updates))
            raise
        # What was decided while a build was being started may leave it with nobody to belong to.
        kept = {build.build_id for build in stored.builds.values()}
        await cancel_builds(engine, document.tool, started - kept)
    waiting, rejected = launch_messages(launched)
    return Answer(stored, (*stopped.warnings, *waiting), rejected)


async def _or(work: Awaitable[T], nothing: T) -> T:
    """Return what work comes to, or nothing where the store does not answer: it is done again.

    What is launched beside it has an outcome, which must be stored all the same.
    """
    try:
        return await work
    except StoreError as error:
        logger.warning("looking for builds, or ending them, failed: %s", error)
        return nothing


async def _last_words(engine: Engine, document: Document, change: Change) -> None:
    """Store what is known as this is broken off, so that another need not wait for it."""
    try:
        async with asyncio.timeout(LAST_WORDS_SECONDS):
            await store_change(engine, document, partial(merged, change=change))
    except (StoreError, EngineError, TimeoutError) as error:
        logger.warning("what was under way for %s could not be stored: %s", document.name, error)
