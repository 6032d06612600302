"""Runs as steps: how the runner brings components to run, removes them, and puts them back."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from backends.errors import BackendError
from backends.runners.base import (
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
from components.engine.runs.states import (
    GONE,
    RunState,
    ended,
    fence_of,
    left_as_it_is,
    state_of,
    under_way,
)
from components.engine.runs.unmarked import as_done
from components.engine.runs.wanted import build_of, wanted_of
from components.engine.steps.asking import as_observed
from components.engine.steps.driver import Driver
from components.engine.steps.model import Doubt, Stop, StopReason

logger = logging.getLogger(__name__)


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

    @property
    def settling(self) -> timedelta:
        """See `Driver.settling`."""
        return self.engine.limits.launch

    def steps(self, deployment: Deployment) -> Mapping[str, Run]:
        """See `Driver.steps`."""
        return deployment.runs

    async def prepare(self, deployment: Deployment) -> Mapping[str, Running]:
        """See `Driver.prepare`."""
        return await self._running(deployment)

    async def start(
        self, deployment: Deployment, component: str, prepared: Mapping[str, Running]
    ) -> RunState:
        """See `Driver.start`."""
        run, fence, there = (
            deployment.runs[component],
            fence_of(deployment),
            prepared.get(component),
        )
        if run.action is not RunAction.REMOVE:
            origin = Origin(deployment.id, build_of(deployment, component).commit)
            wanted = wanted_of(deployment, component, run)
            request = RunRequest(deployment.tool, component, wanted, origin, fence)
            call = self.engine.runner.apply(request, there)
        elif there:
            call = self.engine.runner.remove(deployment.tool, there, fence)
        else:
            return RunState(str(fence), Status.RUNNING, under_way(run))
        with suppress(Superseded):  # the next question finds what runs instead
            await call
        return RunState(str(fence), Status.RUNNING, under_way(run))

    async def get(
        self, deployment: Deployment, components: Collection[str]
    ) -> Mapping[str, RunState]:
        """See `Driver.get`."""
        listing = await self._running(deployment)
        return {name: state_of(deployment, name, listing.get(name)) for name in components}

    async def end(self, deployment: Deployment, components: Collection[str]) -> Mapping[str, Run]:
        """See `Driver.end`: put back what ran before."""
        tool = deployment.tool
        try:
            async with self.breaker.guard(tool, self.engine.builder_timeout / 2):
                listing = await self._running(deployment)
        except (BackendError, TimeoutError) as error:
            why = str(error) or "no response in time"
            logger.warning("putting back what ran before %s failed: %s", deployment.id, why)
            return {}
        now = await self.engine.store.now()
        outcomes = await asyncio.gather(
            *(self._put_back(deployment, name, listing.get(name)) for name in components),
            return_exceptions=True,
        )
        outcome_of, accepted = {}, []
        for name, failure in zip(components, outcomes, strict=True):
            if isinstance(failure, RunRejected):
                run = ended(deployment.runs[name], f"it could not be put back: {failure}")
                outcome_of[name] = replace(run, ended=now)
            elif isinstance(failure, Superseded):
                continue  # the next question finds what runs instead
            elif isinstance(failure, BackendError | TimeoutError):
                why = str(failure) or "no response in time"
                logger.warning("putting %s of %s back failed: %s", name, deployment.id, why)
            elif failure is not None:
                logger.error("putting %s of %s back failed", name, deployment.id, exc_info=failure)
            else:
                accepted.append(name)
        if not self.engine.runner.marks:
            outcome_of |= await self._put_back_by_now(deployment, accepted, now)
        return outcome_of

    async def _put_back_by_now(
        self, deployment: Deployment, components: Collection[str], now: datetime
    ) -> Mapping[str, Run]:
        """Return the runs of which the runner has just taken what ran before: nothing marks it."""
        try:
            async with self.breaker.guard(deployment.tool, self.engine.builder_timeout / 2):
                listing = await self._running(deployment, components)
        except (BackendError, TimeoutError):
            return {}  # the next round asks again
        return {
            name: self.observed(run, state_of(deployment, name, listing.get(name)), now)
            for name, run in deployment.runs.items()
            if name in components
        }

    async def _running(
        self, deployment: Deployment, put_back: Collection[str] = ()
    ) -> Mapping[str, Running]:
        """Return what runs, with what the deployment has done to it."""
        listing = await self.engine.runner.list(deployment.tool)
        return as_done(self.engine.runner, deployment, listing, put_back)

    async def _put_back(
        self, deployment: Deployment, component: str, there: Running | None
    ) -> None:
        run, fence = deployment.runs[component], fence_of(deployment, step=1)
        is_back = there is not None and there.fence is not None and there.fence >= fence
        if is_back or left_as_it_is(deployment, component, there):
            return
        async with self.breaker.guard(deployment.tool, self.engine.builder_timeout / 2):
            if run.before:
                origin = run.before.origin or Origin(deployment.id)
                request = RunRequest(deployment.tool, component, run.before.wanted, origin, fence)
                await self.engine.runner.apply(request, there)
            elif there:
                await self.engine.runner.remove(deployment.tool, there, fence)

    def observed(self, step: Run, state: RunState, now: datetime) -> Run:
        """See `Driver.observed`."""
        is_unfenced = state.absent or (state.was_put_back and not self.engine.runner.marks)
        if is_unfenced and step.doubt and now < step.doubt.settles:
            # Nothing that is there fences off a start that may still be carried out.
            state = RunState(state.id, Status.RUNNING, step.message)
        elif state.is_from_before(step, now):
            state = RunState(state.id, Status.RUNNING, step.message)
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
        if not state.status.is_final:
            # That a later attempt has succeeded proves nothing about an earlier one.
            run = replace(run, doubt=step.doubt)
        if state.healthy:
            run = replace(run, ended=step.ended or now)
        elif state.status.is_final:
            run = replace(run, ended=now)
        if state.failure and not run.stop:
            run = replace(run, stop=Stop(StopReason.RUN_FAILED, now, state.failure))
        return run

    def lost(self, step: Run, now: datetime) -> Run:
        """See `Driver.lost`. What ran before is gone as well, and put back if this is stopped."""
        again = step.started_again(f"{GONE}: it is started again")
        return replace(again, healthy=False, ready=0, doubt=step.doubt or Doubt(now, now))

    def rejected(
        self, deployment: Deployment, step: Run, error: BackendError, now: datetime
    ) -> Run:
        """See `Driver.rejected`. A part of it may have been done, and is put back as well."""
        stop = step.stop or Stop(StopReason.RUN_FAILED, now, str(error))
        return replace(
            step,
            status=Status.RUNNING,
            id=str(fence_of(deployment)),
            claim=None,
            message=str(error),
            stop=stop,
            started=now,
            seen=now,
        )
