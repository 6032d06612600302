"""Starting builds: all in parallel, each independent of the delays and errors of the others."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from backends.builders.base import (
    BuilderError,
    BuildRejected,
    BuildRequest,
    BuildState,
    BuildStatus,
    NoFreeSlot,
)
from backends.stores.base import StoreError
from components.engine.builds.asking import observed
from components.engine.context import Engine, Limits
from components.engine.deployments.model import Build, Deployment
from components.engine.deployments.plan import Plan, in_doubt

logger = logging.getLogger(__name__)


def request_for(
    deployment: Deployment,
    component: str,
    limits: Limits,
    taken: frozenset[str] = frozenset(),
) -> BuildRequest:
    """Return the request for a component's build, with the same key at every attempt.

    It is `repeated` where an earlier attempt may have started the build; `first_attempt` is then
    the time of that attempt.
    """
    build = deployment.builds[component]
    doubt = build.doubt
    since = build.claim.at if build.claim else deployment.created
    source = deployment.sources[component]
    if build.commit:
        # The resolved commit is built, even if the ref has moved.
        source = replace(source, ref=build.commit)
    return BuildRequest(
        tool=deployment.tool,
        component=component,
        source=source,
        key=f"{deployment.id}/{component}",
        first_attempt=doubt.since if doubt else since,
        repeated=doubt is not None,
        last_attempt=doubt.settles - limits.settling if doubt else None,
        taken=taken,
    )


async def launch(engine: Engine, plan: Plan) -> Mapping[str, Build]:
    """Start every build that was claimed for this plan, in parallel; return their outcomes.

    A build that is rejected permanently is `ERROR`. Without a free slot or an available builder, a
    build stays `PENDING` with that as its message. Nothing is started in the second half of a
    claim, which is for the builder's response.
    """
    if not plan.launch:
        return {}
    outcomes = await asyncio.gather(
        *(_start(engine, plan.deployment, name) for name in plan.launch),
        return_exceptions=True,
    )
    now = await _now(engine)
    return {
        name: _outcome(engine, plan, name, outcome, now)
        for name, outcome in zip(plan.launch, outcomes, strict=True)
    }


def interrupted_builds(engine: Engine, plan: Plan) -> Mapping[str, Build]:
    """Return the builds of a launch that was interrupted before its outcome was known."""
    return {
        name: _doubtful(engine, plan.deployment.builds[name], None, "waits to be started")
        for name in plan.launch
    }


class _TooLate(Exception):
    """The claim is about to expire."""


async def _start(engine: Engine, deployment: Deployment, component: str) -> BuildState:
    claim = deployment.builds[component].claim
    now = await _now(engine)
    # The store's clock also runs while this machine is suspended, and reading it is cheap.
    if claim is None or now is None or now >= claim.until - engine.limits.start:
        raise _TooLate
    async with engine.breaker.guard(deployment.tool, engine.limits.start.total_seconds()):
        return await engine.builder.start(request_for(deployment, component, engine.limits))


async def _now(engine: Engine) -> datetime | None:
    try:
        return await engine.store.now()
    except StoreError:
        return None


def _outcome(
    engine: Engine,
    plan: Plan,
    component: str,
    outcome: BuildState | BaseException,
    now: datetime | None,
) -> Build:
    build = plan.deployment.builds[component]
    match outcome:
        case BuildState():
            return observed(build, outcome, now or plan.at.now)
        case _TooLate():
            return _waiting(build, "waits to be started")
        case BuilderError(maybe_started=True):
            message = f"waits for the builder: {outcome}"
            return _doubtful(engine, build, now, message)
        # While the outcome of earlier attempts is unknown, a rejection does not end the build.
        case BuildRejected() if not build.doubt:
            return replace(build, status=BuildStatus.ERROR, message=str(outcome))
        case BuilderError():
            resource = "a free slot" if isinstance(outcome, NoFreeSlot) else "the builder"
            return _waiting(build, f"waits for {resource}: {outcome}")
        case _:
            message = f"waits for the builder: {_reason(plan, component, outcome)}"
            return _doubtful(engine, build, now, message)


def _reason(plan: Plan, component: str, failure: BaseException) -> str:
    if isinstance(failure, TimeoutError):
        return "it did not respond in time"
    # A bug in the builder must not end the deployment, but must be logged.
    where = f"{plan.deployment.id}/{component}"
    logger.error("starting %s failed", where, exc_info=failure)
    return "it failed to start this build"


def _waiting(build: Build, message: str) -> Build:
    return replace(build, claim=None, message=message)


def _doubtful(engine: Engine, build: Build, now: datetime | None, message: str) -> Build:
    interrupted = now or (build.claim.until if build.claim else None)
    doubt = in_doubt(build, interrupted, engine.limits) if interrupted else build.doubt
    return replace(build, claim=None, doubt=doubt, message=message)


def launch_messages(builds: Mapping[str, Build]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return warnings for the waiting builds of a launch, and errors for the rejected ones."""
    warnings = tuple(
        f"{name}: {build.message}" for name, build in builds.items() if build.awaits_launch
    )
    errors = tuple(
        f"{name}: {build.message}"
        for name, build in builds.items()
        if build.status is BuildStatus.ERROR
    )
    return warnings, errors
