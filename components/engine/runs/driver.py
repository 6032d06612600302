"""Runs as steps: how the runner brings components to run, removes them, and puts them back."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from backends.errors import BackendError
from backends.runners.base import (
    Fence,
    Health,
    Origin,
    Running,
    RunRejected,
    RunRequest,
    Superseded,
)
from backends.status import Status
from components.engine.breaker import Breaker
from components.engine.context import Engine
from components.engine.deployments.model import Deployment
from components.engine.runs.model import Run, RunAction
from components.engine.runs.wanted import build_of, wanted_of
from components.engine.steps.asking import as_observed
from components.engine.steps.driver import Driver
from components.engine.steps.model import Stop, StopReason

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunState:
    """What is known of a run; `failure` says why it never will be healthy."""

    id: str
    status: Status
    message: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    lost: bool = False
    failure: str = ""
    healthy: bool = False
    ready: int = 0
    replicas: int = 0
    url: str | None = None
    was_put_back: bool = False


@dataclass(frozen=True, slots=True)
class RunDriver(Driver[Run]):
    """The runs of deployments, done by an engine's runner."""

    engine: Engine

    noun: ClassVar[str] = "run"
    backend: ClassVar[str] = "the runner"
    fences: ClassVar[bool] = True

    @property
    def breaker(self) -> Breaker:
        """See `Driver.breaker`."""
        return self.engine.runner_breaker

    def steps(self, deployment: Deployment) -> Mapping[str, Run]:
        """See `Driver.steps`."""
        return deployment.runs

    async def prepare(self, deployment: Deployment) -> Mapping[str, Running]:
        """See `Driver.prepare`."""
        return await self.engine.runner.list(deployment.tool)

    async def start(
        self, deployment: Deployment, component: str, prepared: Mapping[str, Running]
    ) -> RunState:
        """See `Driver.start`."""
        run, fence, there = deployment.runs[component], _fence(deployment), prepared.get(component)
        if run.action is not RunAction.REMOVE:
            origin = Origin(deployment.id, build_of(deployment, component).commit)
            wanted = wanted_of(deployment, component, run)
            request = RunRequest(deployment.tool, component, wanted, origin, fence)
            await self.engine.runner.apply(request, there)
        elif there:
            await self.engine.runner.remove(deployment.tool, there, fence)
        return RunState(str(fence), Status.RUNNING, _under_way(run))

    async def get(
        self, deployment: Deployment, components: Collection[str]
    ) -> Mapping[str, RunState]:
        """See `Driver.get`."""
        listing = await self.engine.runner.list(deployment.tool)
        return {name: _state(deployment, name, listing.get(name)) for name in components}

    async def end(self, deployment: Deployment, components: Collection[str]) -> Mapping[str, Run]:
        """See `Driver.end`: put back what ran before."""
        tool = deployment.tool
        try:
            async with self.breaker.guard(tool, self.engine.builder_timeout / 2):
                listing = await self.engine.runner.list(tool)
        except (BackendError, TimeoutError) as error:
            why = str(error) or "no response in time"
            logger.warning("putting back what ran before %s failed: %s", deployment.id, why)
            return {}
        outcomes = await asyncio.gather(
            *(self._put_back(deployment, name, listing.get(name)) for name in components),
            return_exceptions=True,
        )
        ended = {}
        for name, failure in zip(components, outcomes, strict=True):
            if isinstance(failure, RunRejected):
                ended[name] = _ended(deployment.runs[name], f"it could not be put back: {failure}")
            elif isinstance(failure, Superseded):
                continue  # the next question finds what runs instead
            elif isinstance(failure, BackendError | TimeoutError):
                why = str(failure) or "no response in time"
                logger.warning("putting %s of %s back failed: %s", name, deployment.id, why)
            elif failure is not None:
                logger.error("putting %s of %s back failed", name, deployment.id, exc_info=failure)
        return ended

    async def _put_back(
        self, deployment: Deployment, component: str, there: Running | None
    ) -> None:
        run, fence = deployment.runs[component], _fence(deployment, step=1)
        if (there and there.fence and there.fence >= fence) or _is_unknown(run):
            return
        async with self.breaker.guard(deployment.tool, self.engine.builder_timeout / 2):
            if run.before:
                request = RunRequest(
                    deployment.tool, component, run.before.wanted, run.before.origin, fence
                )
                await self.engine.runner.apply(request, there)
            elif there:
                await self.engine.runner.remove(deployment.tool, there, fence)

    def observed(self, step: Run, state: RunState, now: datetime) -> Run:
        """See `Driver.observed`."""
        run = as_observed(
            step,
            state,
            now,
            healthy=state.healthy,
            ready=state.ready,
            replicas=state.replicas,
            url=state.url,
            was_put_back=state.was_put_back,
        )
        if state.healthy:
            run = replace(run, ended=step.ended or now)
        elif state.status.is_final:
            run = replace(run, ended=now)
        if state.failure and not run.stop:
            run = replace(run, stop=Stop(StopReason.RUN_FAILED, now, state.failure))
        return run

    def lost(self, step: Run) -> Run:
        """See `Driver.lost`."""
        again = step.started_again("what was started is gone: it is started again")
        return replace(again, healthy=False, ready=0)

    def rejected(
        self, deployment: Deployment, step: Run, error: BackendError, now: datetime
    ) -> Run:
        """See `Driver.rejected`. A part of it may have been done, and is put back as well."""
        stop = step.stop or Stop(StopReason.RUN_FAILED, now, str(error))
        return replace(
            step,
            status=Status.RUNNING,
            id=str(_fence(deployment)),
            claim=None,
            doubt=None,
            message=str(error),
            stop=stop,
            started=now,
            seen=now,
        )


def _fence(deployment: Deployment, step: int = 0) -> Fence:
    return Fence(deployment.created, deployment.id, step)


def _under_way(run: Run) -> str:
    return "is being removed" if run.action is RunAction.REMOVE else "is being rolled out"


def _is_unknown(run: Run) -> bool:
    """Whether what ran before is not known, so that it cannot be put back."""
    return run.action is RunAction.CHANGE and run.before is None


def _state(deployment: Deployment, component: str, there: Running | None) -> RunState:
    run, own = deployment.runs[component], _fence(deployment)
    own_id = run.id or str(own)
    if run.stop:
        return _put_back_state(deployment, run, own_id, there)
    if run.action is RunAction.REMOVE:
        if there is None:
            return RunState(own_id, Status.FINISHED, "was removed")
        return RunState(own_id, Status.RUNNING, _under_way(run))
    if there is None or there.fence is None or there.fence < own:
        return RunState(own_id, Status.ERROR, "what was started is gone", lost=True)
    if there.fence > own:
        return RunState(own_id, Status.ERROR, f"superseded by {there.fence.deploy_id!r}")
    healthy = there.health is Health.HEALTHY
    return RunState(
        own_id,
        Status.RUNNING,
        there.message or ("runs" if healthy else _under_way(run)),
        failure=there.message or "failed" if there.health is Health.FAILED else "",
        healthy=healthy,
        ready=there.ready,
        replicas=there.replicas,
        url=there.url,
    )


def _put_back_state(
    deployment: Deployment, run: Run, own_id: str, there: Running | None
) -> RunState:
    fence = _fence(deployment, step=1)
    if there and there.fence and there.fence > fence:
        return _end(run, own_id, f"{there.fence.deploy_id!r} runs by now")
    if _is_unknown(run):
        return _end(run, own_id, "what ran before is not known, so this was left as it is")
    if run.before is None:
        if there is None:
            return _end(run, own_id, "nothing ran before, so nothing runs now")
    elif there and there.fence == fence:
        before = f"the version of {run.before.origin.deploy_id!r}"
        if there.health is Health.HEALTHY:
            return _end(run, own_id, f"{before} runs again", was_put_back=True)
        # A run that was given up does not wait for the health of what ran before.
        if there.health is Health.FAILED or run.status.is_final:
            why = f"{before} was put back, and is not healthy: {there.message}"
            return _end(run, own_id, why, was_put_back=True)
    return RunState(own_id, Status.RUNNING, run.message)


def _end(run: Run, own_id: str, what: str, *, was_put_back: bool = False) -> RunState:
    ended = _ended(run, what)
    return RunState(own_id, ended.status, ended.message, was_put_back=was_put_back)


def _ended(run: Run, what: str) -> Run:
    stop = run.stop
    failed = stop is not None and stop.reason.is_failure
    return replace(
        run,
        status=Status.ERROR if failed else Status.CANCELLED,
        message=f"{stop.message}; {what}" if stop else what,
        healthy=False,
    )
