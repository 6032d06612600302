"""Querying the builder for the status of builds: one call for all builds of a deployment."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from backends.builders.base import BuilderError, BuildState, BuildStatus
from components.engine.context import Engine
from components.engine.deployments.model import Build, Deployment

logger = logging.getLogger(__name__)

MAX_LOST = 2
"""How often a build is built again after the builder has lost it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Updates of builds from the builder, by component, and warnings for the user.

    `complete` is whether the builder responded.
    """

    updates: Mapping[str, Build] = field(default_factory=dict)
    complete: bool = True
    warnings: tuple[str, ...] = ()


async def ask(
    engine: Engine, deployment: Deployment, components: Iterable[str], seconds: float
) -> Answers:
    """Query the builder once for builds that it has accepted, for at most `seconds`.

    Raises `Unavailable` where the store does not return its time.
    """
    builds = {name: deployment.builds[name] for name in components}
    ids = {build.build_id: name for name, build in builds.items() if build.build_id is not None}
    if not ids:
        return Answers()
    try:
        async with engine.breaker.guard(deployment.tool, seconds):
            states = await engine.builder.get(deployment.tool, tuple(ids))
    except (BuilderError, TimeoutError) as error:
        return _no_answer(
            f"does not respond, so this is the last known state: {_error_text(error)}"
        )
    except Exception:
        # A bug in the builder must not prevent the rest of the step.
        logger.exception("querying the builds of %s failed", deployment.id)
        return _no_answer("failed to respond, so this is the last known state")
    now = await engine.store.now()
    return Answers(
        {
            ids[build_id]: _update(engine, builds[ids[build_id]], state, now)
            for build_id, state in states.items()
            if state is not None and build_id in ids
        }
    )


def _error_text(error: BaseException) -> str:
    return str(error) or "no response in time"


def _no_answer(problem: str) -> Answers:
    return Answers(complete=False, warnings=(f"the builder {problem}",))


def _update(engine: Engine, build: Build, state: BuildState, now: datetime) -> Build:
    if state.lost and build.stop is None and build.lost < MAX_LOST:
        # Its outcome is unknown, so it is built again.
        message = "the builder has lost this build: it is built again"
        return Build(
            message=message, commit=build.commit, attempt=build.attempt, lost=build.lost + 1
        )
    new = observed(build, state, now)
    if build.seen and now - build.seen > engine.limits.gap:
        new = replace(new, unasked=build.unasked + (now - build.seen))
    return new


def observed(build: Build, state: BuildState, now: datetime) -> Build:
    """Return a build with the state that the builder reported at the store's time `now`."""
    started = state.started or build.started
    if started is None and state.status is BuildStatus.RUNNING:
        started = now
    return Build(
        status=state.status,
        build_id=state.id,
        message=build.message if build.stop and not state.status.is_final else state.message,
        image=state.image or build.image,
        digest=state.digest or build.digest,
        commit=state.commit or build.commit,
        started=started,
        ended=state.ended,
        attempt=build.attempt,
        stop=build.stop,
        seen=now,
        lost=build.lost,
        unasked=build.unasked,
    )
