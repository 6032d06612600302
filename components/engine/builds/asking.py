"""Asking the builder how builds go: one question for all of a deployment."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from backends.builders.base import BuilderError, BuildState, BuildStatus
from components.engine.context import Engine
from components.engine.deployments.model import Build, Deployment

logger = logging.getLogger(__name__)

MAX_LOST = 2
"""How often a build that the builder has lost is built anew."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a builder said of builds, by component, and what people are to be told.

    `complete` is whether it answered.
    """

    updates: Mapping[str, Build] = field(default_factory=dict)
    complete: bool = True
    warnings: tuple[str, ...] = ()


async def ask(
    engine: Engine, deployment: Deployment, components: Iterable[str], seconds: float
) -> Answers:
    """Ask once for builds that the builder has, and wait no longer than `seconds`.

    Raises `Unavailable` where the store does not tell the time.
    """
    builds = {name: deployment.builds[name] for name in components}
    ids = {build.build_id: name for name, build in builds.items() if build.build_id is not None}
    if not ids:
        return Answers()
    try:
        async with engine.breaker.asking(deployment.tool, seconds):
            states = await engine.builder.get(deployment.tool, tuple(ids))
    except (BuilderError, TimeoutError) as error:
        return _unanswered(f"does not answer, so this is what was last known: {_words(error)}")
    except Exception:
        # A defect of the builder must not keep everything else from being done and stored.
        logger.exception("asking for the builds of %s failed", deployment.id)
        return _unanswered("failed to answer, so this is what was last known")
    now = await engine.store.now()
    return Answers(
        {
            ids[build_id]: _update(engine, builds[ids[build_id]], state, now)
            for build_id, state in states.items()
            if state is not None and build_id in ids
        }
    )


def _words(error: BaseException) -> str:
    return str(error) or "no answer in time"


def _unanswered(what: str) -> Answers:
    return Answers(complete=False, warnings=(f"the builder {what}",))


def _update(engine: Engine, build: Build, state: BuildState, now: datetime) -> Build:
    if state.lost and build.stop is None and build.lost < MAX_LOST:
        # It may have run or ended well since it was last seen: only a new build tells.
        message = "the builder has lost this build: it is built anew"
        return Build(
            message=message, commit=build.commit, attempt=build.attempt, lost=build.lost + 1
        )
    new = observed(build, state, now)
    if build.seen and now - build.seen > engine.limits.gap:
        new = replace(new, unasked=build.unasked + (now - build.seen))
    return new


def observed(build: Build, state: BuildState, now: datetime) -> Build:
    """Return a build with what a builder said of it at the store's time `now`."""
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
