"""Ending builds: seeking those that may have been started, and telling the builder to end them."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from backends.builders.base import BuildState, BuildStatus
from components.engine.context import Engine
from components.engine.launch import observed, request_for
from components.engine.merge import final
from components.engine.model import Build, Deployment, StopReason
from components.engine.plan import Plan, never_started

logger = logging.getLogger(__name__)


async def cancel_builds(engine: Engine, tool: str, ids: Iterable[str]) -> frozenset[str]:
    """Tell the builder to end builds, by id; return those that it took the word for."""
    named = tuple(ids)

    async def cancel(build_id: str) -> None:
        async with asyncio.timeout(engine.patience / 2):
            await engine.builder.cancel(tool, build_id)

    outcomes = await asyncio.gather(*map(cancel, named), return_exceptions=True)
    for build_id, failure in zip(named, outcomes, strict=True):
        if failure is not None:
            logger.warning("cancelling build %s of %s failed", build_id, tool, exc_info=failure)
    return frozenset(
        build_id for build_id, failure in zip(named, outcomes, strict=True) if failure is None
    )


async def stop_planned(engine: Engine, plan: Plan) -> Mapping[str, Build]:
    """Tell the builder to end what the plan cancels, and return those that are thereby final.

    One that took too long is `ERROR` once the builder has taken the word for it. Of one that
    somebody cancelled, the builder says itself how it ended.
    """
    builds = {name: plan.deployment.builds[name] for name in plan.cancel}
    ids = [build.build_id for build in builds.values() if build.build_id is not None]
    taken = await cancel_builds(engine, plan.deployment.tool, ids)
    return {
        name: final(_ended(build, build.stop.message), build.stop)
        for name, build in builds.items()
        if build.build_id in taken and build.stop and build.stop.reason is not StopReason.CANCELLED
    }


async def seek_planned(engine: Engine, plan: Plan) -> Mapping[str, Build]:
    """Return what the builder has of builds that may have been started, and are to end.

    What it does not have was never started. What is found is told to end, and is stored as found.
    """
    found = await seek(engine, plan.deployment, plan.seek)
    news = {}
    for name, state in found.items():
        build = plan.deployment.builds[name]
        if state is None:
            message = never_started(build.stop) if build.stop else "never started"
            news[name] = final(_ended(build, message), build.stop)
        else:
            news[name] = observed(build, state, plan.now)
    await cancel_builds(
        engine, plan.deployment.tool, [state.id for state in found.values() if state]
    )
    return news


async def seek(
    engine: Engine, deployment: Deployment, components: Iterable[str]
) -> Mapping[str, BuildState | None]:
    """Return the builds that earlier attempts may have started; without those nobody can tell."""
    named = tuple(components)

    async def find(component: str) -> BuildState | None:
        async with asyncio.timeout(engine.patience):
            return await engine.builder.find(request_for(deployment, component))

    outcomes = await asyncio.gather(*map(find, named), return_exceptions=True)
    found = {}
    for name, outcome in zip(named, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            logger.warning("seeking %s of %s failed", name, deployment.id, exc_info=outcome)
        else:
            found[name] = outcome
    return found


async def cancel_all(engine: Engine, deployment: Deployment) -> bool:
    """End whatever of a deployment runs, or may run; return whether the builder took all of it."""
    going_on = {
        name: build for name, build in deployment.builds.items() if not build.status.is_final
    }
    unknown = {name: build for name, build in going_on.items() if build.build_id is None}
    maybe = [name for name, build in unknown.items() if build.claim or build.uncertain]
    found = await seek(engine, deployment, maybe)
    ids = {build.build_id for build in going_on.values() if build.build_id is not None}
    ids |= {state.id for state in found.values() if state}
    return found.keys() >= set(maybe) and await cancel_builds(engine, deployment.tool, ids) >= ids


def _ended(build: Build, message: str) -> Build:
    return Build(
        status=BuildStatus.CANCELLED,
        build_id=build.build_id,
        message=message,
        image=build.image,
        digest=build.digest,
        commit=build.commit,
        started=build.started,
        attempt=build.attempt,
    )
