"""Starting builds: all at once, each on its own, none able to hold back or hide another."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

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
from components.engine.plan import Plan

logger = logging.getLogger(__name__)


def request_for(deployment: Deployment, component: str) -> BuildRequest:
    """Return the request for a component's build: the same key at every attempt.

    It is `repeated` where an earlier attempt may have started the build, and then as old as that.
    """
    build = deployment.builds[component]
    since = build.uncertain or (build.claim.at if build.claim else deployment.created)
    source = deployment.sources[component]
    if build.commit:
        # What was found out before is what is built, whatever the ref means by now.
        source = replace(source, ref=build.commit)
    return BuildRequest(
        tool=deployment.tool,
        component=component,
        source=source,
        key=f"{deployment.id}/{component}",
        first_attempt=since,
        repeated=build.uncertain is not None,
    )


async def launch(engine: Engine, plan: Plan, until: float) -> Mapping[str, Build]:
    """Start every build that was claimed for this plan, in parallel; return what became of each.

    A build that is rejected for good is `ERROR`. One that finds no free slot, or no builder to
    talk to, stays `PENDING` with that as its message. Nothing is started later than `until` by the
    loop's clock, since the claim might then be another's.
    """
    outcomes = await asyncio.gather(
        *(_start(engine, plan.deployment, name, until) for name in plan.launch),
        return_exceptions=True,
    )
    return {
        name: _outcome(plan, name, outcome)
        for name, outcome in zip(plan.launch, outcomes, strict=True)
    }


class _TooLate(Exception):
    """The claim is about to belong to nobody."""


async def _start(
    engine: Engine, deployment: Deployment, component: str, until: float
) -> BuildState:
    if asyncio.get_running_loop().time() >= until:
        raise _TooLate
    async with asyncio.timeout(engine.patience):
        return await engine.builder.start(request_for(deployment, component))


def _outcome(plan: Plan, component: str, outcome: BuildState | BaseException) -> Build:
    build = plan.deployment.builds[component]
    match outcome:
        case BuildState():
            return observed(build, outcome, plan.now)
        case BuildRejected():
            return replace(build, status=BuildStatus.ERROR, message=str(outcome))
        case NoFreeSlot():
            return _waiting(build, f"waits for a free slot: {outcome}")
        case _TooLate():
            return _waiting(build, "waits to be started")
        case _:
            return _uncertain(build, f"waits for the builder: {_reason(plan, component, outcome)}")


def _reason(plan: Plan, component: str, failure: BaseException) -> str:
    if isinstance(failure, BuilderUnavailable):
        return str(failure)
    if isinstance(failure, TimeoutError):
        return "it did not answer in time"
    # A defect of the builder is not the deployment's end, and must not be lost either.
    where = f"{plan.deployment.id}/{component}"
    logger.error("starting %s failed", where, exc_info=failure)
    return "it failed to start this build"


def _waiting(build: Build, message: str) -> Build:
    return replace(build, claim=None, message=message)


def _uncertain(build: Build, message: str) -> Build:
    since = build.uncertain or (build.claim.at if build.claim else None)
    return replace(build, claim=None, uncertain=since, message=message)


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
