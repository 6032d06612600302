"""Builds as steps: how the builder is asked for them, starts them and ends them."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from backends.builders.base import BuildRequest, BuildState
from backends.errors import BackendError
from backends.status import Status
from components.engine.breaker import Breaker
from components.engine.builds.model import Build
from components.engine.context import Engine, Limits
from components.engine.deployments.model import Deployment
from components.engine.steps.asking import as_observed
from components.engine.steps.driver import Driver

logger = logging.getLogger(__name__)

ADOPTED = "uses build {!r}, which this service did not start or no longer knows"
"""The message of a build that others have started, with its id."""


@dataclass(frozen=True, slots=True)
class BuildDriver(Driver[Build]):
    """The builds of deployments, done by an engine's builder."""

    engine: Engine

    noun: ClassVar[str] = "build"
    backend: ClassVar[str] = "the builder"

    @property
    def breaker(self) -> Breaker:
        """See `Driver.breaker`."""
        return self.engine.breaker

    @property
    def settling(self) -> timedelta:
        """See `Driver.settling`."""
        return self.engine.limits.settling

    def steps(self, deployment: Deployment) -> Mapping[str, Build]:
        """See `Driver.steps`."""
        return deployment.builds

    async def start(self, deployment: Deployment, component: str, prepared: Any) -> BuildState:
        """See `Driver.start`."""
        request = request_for(deployment, component, self.engine.limits)
        return await self.engine.builder.start(request)

    async def get(
        self, deployment: Deployment, components: Collection[str]
    ) -> Mapping[str, BuildState | None]:
        """See `Driver.get`."""
        ids = {deployment.builds[name].id: name for name in components}
        known = tuple(build_id for build_id in ids if build_id is not None)
        states = await self.engine.builder.get(deployment.tool, known)
        return {ids[build_id]: state for build_id, state in states.items() if build_id in ids}

    async def end(self, deployment: Deployment, components: Collection[str]) -> Mapping[str, Build]:
        """See `Driver.end`."""
        ids = (deployment.builds[name].id for name in components)
        await cancel_builds(self.engine, deployment.tool, filter(None, ids))
        return {}

    def observed(self, step: Build, state: BuildState, now: datetime) -> Build:
        """See `Driver.observed`."""
        if not step.is_adopted:
            return observed(step, state, now)
        if state.status is Status.CANCELLED and step.stop is None:
            return _built_again(step, "who started this build has cancelled it: it is built again")
        words = "; ".join(filter(None, (ADOPTED.format(step.id), state.message)))
        return observed(step, replace(state, message=words), now)

    def lost(self, step: Build, now: datetime) -> Build:
        """See `Driver.lost`."""
        # Its outcome is unknown, so it is built again.
        return _built_again(step, "the builder has lost this build: it is built again")

    def rejected(
        self, deployment: Deployment, step: Build, error: BackendError, now: datetime
    ) -> Build:
        """See `Driver.rejected`."""
        return replace(step, status=Status.ERROR, message=str(error))


def _built_again(build: Build, message: str) -> Build:
    return replace(build.started_again(message), image=None, digest=None, reused=None)


def observed(build: Build, state: BuildState, now: datetime) -> Build:
    """Return a build with what a builder said of it at the store's time `now`."""
    return as_observed(
        build,
        state,
        now,
        image=state.image or build.image,
        digest=state.digest or build.digest,
        commit=state.commit or build.commit,
    )


def request_for(
    deployment: Deployment,
    component: str,
    limits: Limits,
    taken: frozenset[str] = frozenset(),
) -> BuildRequest:
    """Return the request for a component's build: the same key at every attempt.

    It is `repeated` where an earlier attempt may have started the build, and then as old as that.
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


async def cancel_builds(engine: Engine, tool: str, ids: Iterable[str]) -> None:
    """Ask the builder to end builds, by id. A failure is logged: the next round asks again."""
    named = tuple(ids)

    async def cancel(build_id: str) -> None:
        async with engine.breaker.guard(tool, engine.builder_timeout / 2):
            await engine.builder.cancel(tool, build_id)

    outcomes = await asyncio.gather(*map(cancel, named), return_exceptions=True)
    for build_id, failure in zip(named, outcomes, strict=True):
        if isinstance(failure, BackendError | TimeoutError):
            why = str(failure) or "no response in time"
            logger.warning("cancelling build %s of %s failed: %s", build_id, tool, why)
        elif failure is not None:
            logger.error("cancelling build %s of %s failed", build_id, tool, exc_info=failure)
