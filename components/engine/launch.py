"""Starting builds: all at once, each on its own, none able to hold back or hide another."""

import asyncio
import logging
from collections.abc import Mapping

from backends.builders.base import (
    BuilderUnavailable,
    BuildRejected,
    BuildRequest,
    BuildState,
    BuildStatus,
    NoFreeSlot,
)
from components.engine.context import Engine
from components.engine.model import Build, Deployment

logger = logging.getLogger(__name__)


async def launch(engine: Engine, deployment: Deployment) -> Mapping[str, Build]:
    """Start every build that awaits its launch, in parallel; return what became of each.

    A build that is rejected for good is `ERROR`. One that finds no free slot, or no builder to
    talk to, stays `PENDING` with that as its message. The key is the same at every attempt, so a
    launch whose outcome was lost can be repeated.
    """
    waiting = [name for name, build in deployment.builds.items() if build.awaits_launch]
    outcomes = await asyncio.gather(
        *(_start(engine, deployment, name) for name in waiting), return_exceptions=True
    )
    return {
        name: _outcome(deployment, name, outcome)
        for name, outcome in zip(waiting, outcomes, strict=True)
    }


async def _start(engine: Engine, deployment: Deployment, component: str) -> BuildState:
    request = BuildRequest(
        tool=deployment.tool,
        component=component,
        source=deployment.sources[component],
        key=f"{deployment.id}/{component}",
        first_attempt=deployment.created,
    )
    async with asyncio.timeout(engine.patience):
        return await engine.builder.start(request)


def _outcome(deployment: Deployment, component: str, outcome: BuildState | BaseException) -> Build:
    match outcome:
        case BuildState():
            return build_of(outcome)
        case BuildRejected():
            return Build(BuildStatus.ERROR, message=str(outcome))
        case NoFreeSlot():
            return Build(message=f"waits for a free slot: {outcome}")
        case BuilderUnavailable():
            return Build(message=f"waits for the builder: {outcome}")
        case TimeoutError():
            return Build(message="waits for the builder: it did not answer in time")
        case _:
            # A defect of the builder is not the deployment's end, and must not be lost either.
            logger.error("starting %s of %s failed", component, deployment.id, exc_info=outcome)
            return Build(message="waits for the builder: it failed to start this build")


def build_of(state: BuildState) -> Build:
    """Return what a builder says of a build as the build of a deployment."""
    return Build(
        status=state.status,
        build_id=state.id,
        message=state.message,
        image=state.image,
        digest=state.digest,
        commit=state.commit,
        started=state.started,
        ended=state.ended,
    )


def launch_messages(builds: Mapping[str, Build]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the warnings (still waiting) and the errors (rejected) of launched builds."""
    warnings = tuple(
        f"{name}: {build.message}" for name, build in builds.items() if build.awaits_launch
    )
    errors = tuple(
        f"{name}: {build.message}"
        for name, build in builds.items()
        if build.status is BuildStatus.ERROR
    )
    return warnings, errors


async def cancel_builds(
    engine: Engine, deployment: Deployment, builds: Mapping[str, Build]
) -> bool:
    """Ask the builder to cancel those of `builds` that it runs; return whether it took them all."""

    async def cancel(build_id: str) -> None:
        async with asyncio.timeout(engine.patience / 2):
            await engine.builder.cancel(deployment.tool, build_id)

    running = [
        build.build_id
        for build in builds.values()
        if build.build_id is not None and not build.status.is_final
    ]
    outcomes = await asyncio.gather(*map(cancel, running), return_exceptions=True)
    failures = [outcome for outcome in outcomes if outcome is not None]
    for failure in failures:
        logger.warning("cancelling a build of %s failed", deployment.id, exc_info=failure)
    return not failures
