"""Querying a backend for the status of steps, in one call for all of a deployment; ending them."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from backends.errors import BackendError
from backends.status import Status
from components.engine.context import Engine
from components.engine.deployments.model import Deployment
from components.engine.steps.driver import Driver, S, State
from components.engine.steps.model import Step

logger = logging.getLogger(__name__)

MAX_LOST = 2
"""How often a step that the backend has lost is started again."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a backend said of steps, by component, and warnings; `complete` if it answered."""

    updates: Mapping[str, Step] = field(default_factory=dict)
    complete: bool = True
    warnings: tuple[str, ...] = ()


async def ask(
    engine: Engine,
    driver: Driver[S],
    deployment: Deployment,
    components: Collection[str],
    seconds: float,
) -> Answers:
    """Query the backend once for steps that it has accepted, for at most `seconds`.

    Raises `Unavailable` where the store does not tell the time.
    """
    if not components:
        return Answers()
    try:
        async with driver.breaker.guard(deployment.tool, seconds):
            states = await driver.get(deployment, components)
    except (BackendError, TimeoutError) as error:
        words = str(error) or "no response in time"
        return _no_answer(driver, f"does not respond, so this is the last known state: {words}")
    except Exception:
        # A bug in the backend must not prevent the rest of the step.
        logger.exception("querying the %ss of %s failed", driver.noun, deployment.id)
        return _no_answer(driver, "failed to respond, so this is the last known state")
    now = await engine.store.now()
    steps = driver.steps(deployment)
    return Answers(
        {
            name: _update(engine, driver, steps[name], state, now)
            for name, state in states.items()
            if state is not None
        }
    )


async def end_and_ask(
    engine: Engine, driver: Driver[S], deployment: Deployment, components: Collection[str]
) -> Answers:
    """Ask the backend to end steps, and then at once how they have ended."""
    if not components:
        return Answers()
    ended = await driver.end(deployment, components)
    rest = [name for name in components if name not in ended]
    answers = await ask(engine, driver, deployment, rest, engine.builder_timeout / 2)
    return replace(answers, updates={**answers.updates, **ended})


def _no_answer(driver: Driver[S], what: str) -> Answers:
    return Answers(complete=False, warnings=(f"{driver.backend} {what}",))


def _update(engine: Engine, driver: Driver[S], step: S, state: State, now: datetime) -> S:
    if state.lost and step.stop is None and step.lost < MAX_LOST:
        return driver.lost(step)
    new = driver.observed(step, state, now)
    if step.seen and now - step.seen > engine.limits.gap:
        new = replace(new, unasked=step.unasked + (now - step.seen))
    return new


def as_observed(step: S, state: State, now: datetime, **details: Any) -> S:
    """Return a step with what a backend said of it, and the details that its kind has."""
    started = state.started or step.started
    if started is None and state.status is Status.RUNNING:
        started = now
    return replace(
        step,
        status=state.status,
        id=state.id,
        message=step.message if step.stop and not state.status.is_final else state.message,
        started=started,
        ended=state.ended,
        claim=None,
        doubt=None,
        seen=now,
        **details,
    )
