"""Searching for builds whose start has an unknown outcome: were they started or not?

A builder that knows keys finds a build by its key. Any other builder searches by source. Two
deployments of the same source must never share a build. So the search excludes builds of other
deployments. If several deployments may have started the same build, one of them searches at a time:
the one with the oldest doubt.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

from backends.builders.base import BuildState
from backends.errors import BackendError
from backends.status import Status
from components.engine.builds.driver import cancel_builds, observed, request_for
from components.engine.builds.model import Build
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.model import Deployment, Kind
from components.engine.deployments.plan import Plan
from components.engine.deployments.reading import deployments_in
from components.engine.steps.merge import final
from components.engine.steps.plan import never_started

logger = logging.getLogger(__name__)


async def seek_planned(engine: Engine, plan: Plan, stack: AsyncExitStack) -> Mapping[str, Build]:
    """Search for the builds that the plan seeks; return those whose outcome is now known.

    A found build is cancelled if it is to be stopped. A missing build was never started once the
    search proves it; before that, the outcome stays unknown. `stack` holds a lock until the caller
    has stored the outcome.
    """
    if plan.kind is not Kind.BUILD or not plan.seek:
        return {}
    taken: frozenset[str] = frozenset()
    if not engine.limits.knows_keys:
        await stack.enter_async_context(engine.tasks.lock(plan.deployment.tool))
        taken = _ids(await _others(engine, plan.deployment))
    outcomes = await asyncio.gather(
        *(_find(engine, plan.deployment, name, taken) for name in plan.seek),
        return_exceptions=True,
    )
    found = {}
    for name, outcome in zip(plan.seek, outcomes, strict=True):
        if isinstance(outcome, BackendError | TimeoutError):
            reason = str(outcome) or "no response in time"
            logger.warning("searching for %s of %s failed: %s", name, plan.deployment.id, reason)
        elif isinstance(outcome, BaseException):
            logger.error(
                "searching for %s of %s failed", name, plan.deployment.id, exc_info=outcome
            )
        else:
            found[name] = outcome
    if not engine.limits.knows_keys and any(found.values()):
        found = _unambiguous(plan, found, await _others(engine, plan.deployment))
    to_cancel = [state.id for name, state in found.items() if state and _build(plan, name).stop]
    await cancel_builds(engine, plan.deployment.tool, to_cancel)
    updates = {name: _update(plan, name, state) for name, state in found.items()}
    return {name: build for name, build in updates.items() if build}


async def _find(
    engine: Engine, deployment: Deployment, component: str, taken: frozenset[str]
) -> BuildState | None:
    async with engine.breaker.guard(deployment.tool, engine.builder_timeout):
        request = request_for(deployment, component, engine.limits, taken)
        return await engine.builder.find(request)


def _build(plan: Plan, name: str) -> Build:
    return plan.deployment.builds[name]


def _update(plan: Plan, name: str, state: BuildState | None) -> Build | None:
    build = _build(plan, name)
    if state is not None:
        return observed(build, state, plan.at.now)
    if build.doubt is None or not plan.at.is_past(build.doubt.settles, build.doubt.since):
        return None
    if build.stop is None:
        return replace(build, doubt=None, message="waits to be started")
    ended = Build(Status.CANCELLED, commit=build.commit, attempt=build.attempt, lost=build.lost)
    return final(replace(ended, message=never_started(build.stop)), build.stop)


async def _others(engine: Engine, deployment: Deployment) -> list[Deployment]:
    found, _ = await deployments_in(engine, await engine.store.list(deployment.tool, DEPLOYMENT))
    return [each for _, each in found if each.id != deployment.id]


def _ids(deployments: list[Deployment]) -> frozenset[str]:
    ids = (build.id for each in deployments for build in each.builds.values())
    return frozenset(build_id for build_id in ids if build_id is not None)


def _unambiguous(
    plan: Plan, found: Mapping[str, BuildState | None], others: list[Deployment]
) -> dict[str, BuildState | None]:
    """Return the found builds, without those that another deployment may have started."""
    taken = _ids(others)
    own_builds: dict[str, BuildState | None] = {}
    for name, state in found.items():
        own = _build(plan, name).doubt
        rivals = [each.builds[name] for each in others if name in each.builds]
        is_claimed = any(
            rival.claim or (rival.doubt and own and rival.doubt.since < own.since)
            for rival in rivals
            if rival.id is None
        )
        if state is None or (state.id not in taken and not is_claimed):
            own_builds[name] = state
    return own_builds
