"""Starting steps: all at once, each on its own; none can delay or hide another."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from backends.errors import BackendBusy, BackendError, BackendRejected
from backends.status import Status
from backends.stores.base import StoreError
from components.engine.context import Engine
from components.engine.deployments.model import Deployment
from components.engine.steps.driver import Driver, S
from components.engine.steps.model import Step
from components.engine.steps.plan import in_doubt

logger = logging.getLogger(__name__)

WAITS = "waits to be started"


async def start(
    engine: Engine,
    driver: Driver[S],
    deployment: Deployment,
    components: Collection[str],
    planned: datetime,
) -> Mapping[str, S]:
    """Start every step that was claimed for this, in parallel; return what became of each.

    One that is rejected for good has failed. One that finds no room, or no backend to talk to,
    stays `PENDING` with that as its message. Nothing is started in the second half of a claim: that
    is for the answer. `planned` is when the claims were made.
    """
    if not components:
        return {}
    seconds = engine.limits.start.total_seconds()
    try:
        async with driver.breaker.guard(deployment.tool, seconds):
            prepared = await driver.prepare(deployment)
    except (BackendError, TimeoutError) as error:
        message = f"waits for {driver.backend}: {str(error) or 'it did not respond in time'}"
        steps = driver.steps(deployment)
        return {name: _waiting(steps[name], message) for name in components}
    outcomes = await asyncio.gather(
        *(_start(engine, driver, deployment, name, prepared) for name in components),
        return_exceptions=True,
    )
    now = await _now(engine)
    return {
        name: _outcome(engine, driver, deployment, name, outcome, now, planned)
        for name, outcome in zip(components, outcomes, strict=True)
    }


def interrupted(
    engine: Engine, driver: Driver[S], deployment: Deployment, components: Collection[str]
) -> Mapping[str, S]:
    """Return the steps of a start that was interrupted before its outcome was known."""
    steps = driver.steps(deployment)
    return {name: _doubtful(driver, steps[name], None, WAITS) for name in components}


class _TooLate(Exception):
    """The claim is about to expire."""


async def _start(
    engine: Engine, driver: Driver[S], deployment: Deployment, component: str, prepared: Any
) -> Any:
    claim = driver.steps(deployment)[component].claim
    now = await _now(engine)
    # The store's clock goes on while this machine is suspended, and costs nothing to look at.
    if claim is None or now is None or now >= claim.until - engine.limits.start:
        raise _TooLate
    async with driver.breaker.guard(deployment.tool, engine.limits.start.total_seconds()):
        return await driver.start(deployment, component, prepared)


async def _now(engine: Engine) -> datetime | None:
    try:
        return await engine.store.now()
    except StoreError:
        return None


def _outcome(
    engine: Engine,
    driver: Driver[S],
    deployment: Deployment,
    component: str,
    outcome: Any,
    now: datetime | None,
    planned: datetime,
) -> S:
    step = driver.steps(deployment)[component]
    match outcome:
        case _TooLate():
            return _waiting(step, WAITS)
        case BackendError(maybe_started=True):
            return _doubtful(driver, step, now, f"waits for {driver.backend}: {outcome}")
        # While there is a doubt about earlier attempts, no refusal of this one ends the step.
        case BackendRejected() if not step.doubt or driver.fences:
            return driver.rejected(deployment, step, outcome, now or planned)
        case BackendError():
            what = "a free slot" if isinstance(outcome, BackendBusy) else driver.backend
            return _waiting(step, f"waits for {what}: {outcome}")
        case BaseException():
            where = f"{deployment.id}/{component}"
            message = f"waits for {driver.backend}: {_reason(driver, where, outcome)}"
            return _doubtful(driver, step, now, message)
        case _:
            return driver.observed(step, outcome, now or planned)


def _reason(driver: Driver[S], where: str, failure: BaseException) -> str:
    if isinstance(failure, TimeoutError):
        return "it did not respond in time"
    # A defect of the backend does not end the deployment, and must not be lost either.
    logger.error("starting %s failed", where, exc_info=failure)
    return f"it failed to start this {driver.noun}"


def _waiting(step: S, message: str) -> S:
    return replace(step, claim=None, message=message)


def _doubtful(driver: Driver[S], step: S, now: datetime | None, message: str) -> S:
    ended = now or (step.claim.until if step.claim else None)
    doubt = in_doubt(step, ended, driver.settling) if ended else step.doubt
    return replace(step, claim=None, doubt=doubt, message=message)


def start_messages(steps: Mapping[str, Step]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the warnings (still waiting) and the errors (failed) of what was started."""
    warnings = tuple(f"{name}: {step.message}" for name, step in steps.items() if step.awaits_start)
    errors = tuple(
        f"{name}: {step.stop.message if step.stop else step.message}"
        for name, step in steps.items()
        if step.status is Status.ERROR or step.stop
    )
    return warnings, errors
