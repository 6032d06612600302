"""The next step of a deployment, as a pure function of what is known and the time.

What is to be done is part of the plan's deployment, which is stored before any of it is done; see
`steps.plan` for what holds for one step. Builds come first; runs begin when all have finished and
the run phase has begun. Besides:

- What is healthy can be put back until all components are, and what the configuration no longer has
  is gone: then all have finished at once.
- When one run fails, or the deployment is cancelled, what ran before is put back for all that were
  changed. With `OnFailure.KEEP`, each run ends by itself and nothing is put back.
- Components that the configuration no longer has are removed when all others are healthy, and only
  then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from backends.status import Status
from components.engine.context import Limits
from components.engine.deployments.merge import without_pointless_runs
from components.engine.deployments.model import Deployment, Kind, OnFailure, Stage
from components.engine.instant import Instant
from components.engine.runs.model import Run, RunAction
from components.engine.steps.merge import final
from components.engine.steps.model import Step, Stop, StopReason
from components.engine.steps.plan import (
    Rules,
    S,
    claimed,
    due_stop,
    is_to_be_ended,
    is_to_be_sought,
    stopped,
    without_expired_claim,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to store, and then what to do, by component; `kind` is that of the steps.

    `launch` was claimed for this; `seek` may have been started; `cancel` is to end.
    """

    deployment: Deployment
    at: Instant
    launch: tuple[str, ...] = ()
    seek: tuple[str, ...] = ()
    cancel: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind of the steps that the plan is about."""
        return self.deployment.kind

    @property
    def acts(self) -> bool:
        """Whether there is anything to do but to store it."""
        return bool(self.launch or self.seek or self.cancel)


def to_ask(deployment: Deployment) -> tuple[str, ...]:
    """Return the components whose steps run, as far as is known, and are not to end."""
    if deployment.cancel_requested:
        return ()
    steps: Mapping[str, Step] = (
        deployment.builds if deployment.kind is Kind.BUILD else deployment.runs
    )
    return tuple(
        name
        for name, step in steps.items()
        if step.id is not None and not step.status.is_final and not step.stop
    )


def plan(
    deployment: Deployment, at: Instant, by: str, limits: Limits, *, start: bool = True
) -> Plan:
    """Return the next step of a deployment `at` an instant, when `by` takes it.

    Without `start`, nothing is claimed.
    """
    if deployment.stage is Stage.QUEUED:
        return Plan(deployment, at)
    if deployment.kind is Kind.BUILD:
        own, adopted = build_rules(limits), replace(build_rules(limits), ends=False)
        rules = {
            name: adopted if build.is_adopted else own for name, build in deployment.builds.items()
        }
        stops = _stops(deployment, deployment.builds, rules, at, limits)
        may_start = start and not deployment.queued
        builds = {
            name: _planned(build, rules[name], stops.get(name), at, by, start=may_start)
            for name, build in deployment.builds.items()
        }
        planned = without_pointless_runs(replace(deployment, builds=builds))
        return _plan(deployment, planned, deployment.builds, builds, rules, at)
    rules = {name: _run_rules(run, deployment, limits) for name, run in deployment.runs.items()}
    stops = _run_stops(deployment, rules, at, limits)
    startable = _startable(deployment) if start else frozenset()
    runs = {
        name: _planned(run, rules[name], stops.get(name), at, by, start=name in startable)
        for name, run in deployment.runs.items()
    }
    runs = _with_finished(deployment, runs, at)
    return _plan(deployment, replace(deployment, runs=runs), deployment.runs, runs, rules, at)


def _plan(
    before: Deployment,
    planned: Deployment,
    known: Mapping[str, S],
    steps: Mapping[str, S],
    rules: Mapping[str, Rules],
    at: Instant,
) -> Plan:
    return Plan(
        before if planned == before else planned,
        at,
        launch=tuple(name for name, step in steps.items() if step.attempt > known[name].attempt),
        seek=tuple(name for name, step in steps.items() if is_to_be_sought(step, rules[name])),
        cancel=tuple(name for name, step in steps.items() if is_to_be_ended(step, rules[name])),
    )


def _planned(step: S, rules: Rules, stop: Stop | None, at: Instant, by: str, *, start: bool) -> S:
    if step.is_settled:
        return step
    step = without_expired_claim(step, rules, at)
    if stop is not None:
        return stopped(step, stop, rules, at)
    return claimed(step, rules, at, by) if start else step


def build_rules(limits: Limits) -> Rules:
    """Return what holds for builds."""
    return Rules(
        overdue="the build took longer than {}: cancelled",
        claim=limits.launch,
        longest=limits.build,
        timeout=StopReason.BUILD_TIMEOUT,
        confirmation=limits.launch,
        ending="is being cancelled",
        unconfirmed="the builder has not confirmed that it has ended, so it may still run",
        settling=limits.settling,
        knows_keys=limits.knows_keys,
    )


def _run_rules(run: Run, deployment: Deployment, limits: Limits) -> Rules:
    removes = run.action is RunAction.REMOVE
    has_been_healthy = run.changes and any(
        each.action is RunAction.REMOVE and each.attempt for each in deployment.runs.values()
    )
    return Rules(
        overdue="was not gone within {}" if removes else "was not healthy within {}",
        claim=limits.launch,
        # What is healthy waits for the others.
        longest=None if run.healthy or has_been_healthy else limits.run,
        timeout=StopReason.RUN_TIMEOUT,
        confirmation=limits.run,
        ending="is being put back",
        unconfirmed="what ran before is not healthy yet",
        settling=limits.launch,
        fences=True,
        ends=deployment.on_failure is OnFailure.PUT_BACK,
    )


def _stops(
    deployment: Deployment,
    steps: Mapping[str, Step],
    rules: Mapping[str, Rules],
    at: Instant,
    limits: Limits,
) -> dict[str, Stop]:
    stops = {name: step.stop for name, step in steps.items() if step.stop}
    for name, step in steps.items():
        if name in stops or step.status.is_final:
            continue
        if deployment.cancel_requested:
            reason = deployment.reason or "cancelled"
            stops[name] = Stop(StopReason.CANCELLED, at.now, reason)
        elif not deployment.queued:
            due = due_stop(step, rules[name], at, deployment.since, limits.deployment)
            if due:
                stops[name] = due
    return stops


def _run_stops(
    deployment: Deployment, rules: Mapping[str, Rules], at: Instant, limits: Limits
) -> dict[str, Stop]:
    runs = deployment.runs
    stops = _stops(deployment, runs, rules, at, limits)
    puts_back = deployment.on_failure is OnFailure.PUT_BACK
    failed = [
        name
        for name, run in runs.items()
        if (run.changes or puts_back)
        and (
            run.status in (Status.ERROR, Status.CANCELLED)
            or (name in stops and stops[name].reason.is_failure)
        )
    ]
    if not failed:
        return stops
    for name, run in runs.items():
        if run.status.is_final or name in stops:
            continue
        if puts_back or run.action is RunAction.REMOVE:
            stops[name] = Stop(StopReason.OTHER_FAILED, at.now, f"{failed[0]!r} failed")
    return stops


def _startable(deployment: Deployment) -> frozenset[str]:
    """Return the components whose runs may start: removals come after everything else."""
    if deployment.stage is not Stage.RUNS:
        return frozenset()
    runs = deployment.runs
    all_healthy = all(run.healthy for run in runs.values() if run.changes)
    return frozenset(
        name
        for name, run in runs.items()
        if run.changes or (run.action is RunAction.REMOVE and all_healthy)
    )


def _with_finished(deployment: Deployment, runs: Mapping[str, Run], at: Instant) -> dict[str, Run]:
    """Return runs in which those have finished that need not be put back any more."""
    each_alone = deployment.on_failure is OnFailure.KEEP
    may_finish = {name for name, run in runs.items() if _may_finish(run, at)}
    return {
        name: final(replace(run, status=Status.FINISHED), None)
        if name in may_finish
        and not run.status.is_final
        and (each_alone or len(may_finish) == len(runs))
        else run
        for name, run in runs.items()
    }


def _may_finish(run: Run, at: Instant) -> bool:
    """Whether a run is healthy, and no earlier start of it can still be carried out.

    It would bring the component back after a later deployment has removed it.
    """
    doubt = run.doubt if run.changes else None
    settled = doubt is None or at.is_past(doubt.settles, doubt.since)
    return run.healthy and not run.stop and settled
