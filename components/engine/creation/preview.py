"""A dry run of a deployment: nothing is stored or started."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from backends.builders.base import Source
from backends.errors import BackendError
from backends.runners.base import Running, Wanted
from components.configuration.problems import listed
from components.configuration.sources import reuses, sources
from components.engine.configurations.fetching import current_configuration
from components.engine.context import Answer, Engine
from components.engine.creation.drafts import DeployRequest, Draft, draft_of_configuration
from components.engine.creation.reuse import Decision
from components.engine.errors import Busy, QueueFull, TooManyUnfinished
from components.engine.permitted import check_components, check_supersede
from components.engine.queue.reservation import Snapshot, find_ahead, read_snapshot
from components.engine.queue.state import WhenBusy, position_message
from components.engine.runs.beginning import decided
from components.engine.runs.model import RunAction
from components.engine.runs.unmarked import is_ours, recalled
from components.engine.runs.wanted import pinned, specs


@dataclass(frozen=True, slots=True)
class PlannedBuild:
    """What a deployment would do for one component, with which source, and why."""

    action: str
    repository: str
    ref: str | None
    commit: str | None
    reused: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What a deployment would do with what runs of one component, and why."""

    action: RunAction
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a deployment would do, by component; `runs` is empty where nothing is run."""

    builds: Mapping[str, PlannedBuild]
    runs: Mapping[str, PlannedRun]


async def preview_deployment(engine: Engine, tool: str, options: DeployRequest) -> Answer[Preview]:
    """Return what `create_deployment` would do now; nothing is stored or started.

    Raises `NoConfiguration`, `InvalidConfiguration`, `SourceRejected`, `SourceUnavailable`,
    `UnknownComponents`, `NotPermitted`.
    """
    snapshot = await read_snapshot(engine, tool)
    check_supersede(options.permitted, options.when_busy)
    current = await current_configuration(engine, tool, snapshot.configuration)
    draft = await draft_of_configuration(engine, snapshot, current, options)
    check_components(options.permitted, draft.configuration["components"])
    info = [*draft.info, "dry run, nothing was stored: this is what a deployment would do"]
    warnings = [*engine.notices, *draft.warnings]
    try:
        ahead = find_ahead(engine, snapshot.queue_state, options.when_busy)
    except (Busy, QueueFull, TooManyUnfinished) as error:
        warnings.append(f"it would be rejected now: {error}")
    else:
        if ahead and options.when_busy is WhenBusy.SUPERSEDE:
            info.append(f"it supersedes {listed([repr(each) for each in ahead])}")
        elif ahead:
            info.append(f"it {position_message(ahead, engine.max_running)}")
    own, reused = sources(draft.configuration), reuses(draft.configuration)
    planned = {
        name: _planned(own[reused.get(name, name)], draft.decisions[reused.get(name, name)])
        for name in draft.configuration["components"]
    }
    for name, other in reused.items():
        reason = f"it reuses the build of {other!r}"
        planned[name] = replace(planned[name], action="reuse", reason=reason)
    runs, unknown = await _planned_runs(engine, snapshot, draft, options)
    return Answer(Preview(planned, runs), (*warnings, *unknown), info=tuple(info))


async def _planned_runs(
    engine: Engine, snapshot: Snapshot, draft: Draft, options: DeployRequest
) -> tuple[dict[str, PlannedRun], tuple[str, ...]]:
    """Return what would become of the runs, and warnings."""
    if not engine.runner.runs:
        return {}, ()
    try:
        async with engine.runner_breaker.guard(snapshot.tool, engine.builder_timeout / 2):
            listing = await engine.runner.list(snapshot.tool)
    except (BackendError, TimeoutError) as error:
        why = str(error) or "no response in time"
        return {}, (f"the runner does not respond, so what would run is not known: {why}",)
    running = recalled(engine.runner, listing, snapshot.newest_first)
    reused = reuses(draft.configuration)
    runs = {}
    for name, spec in specs(draft.configuration).items():
        decision, there = draft.decisions[reused.get(name, name)], running.get(name)
        if not decision.is_reuse or not decision.build.status.is_final:
            runs[name] = _with_new_build(there)
            continue
        wanted = Wanted(pinned(decision.build), spec)
        action, _ = decided(there, wanted, again="forced" if options.force_run else None)
        runs[name] = PlannedRun(action, _REASONS[action])
    if not draft.selected:
        runs |= {
            name: PlannedRun(RunAction.REMOVE, "the configuration no longer has it")
            for name, there in running.items()
            if name not in runs and is_ours(there)
        }
    return runs, ()


def _with_new_build(there: Running | None) -> PlannedRun:
    if there is None:
        return PlannedRun(RunAction.START, _REASONS[RunAction.START])
    return PlannedRun(RunAction.CHANGE, "its build is new")


_REASONS = {
    RunAction.START: "it does not run yet",
    RunAction.CHANGE: "its image or its run part is different, or it is not as it should be",
    RunAction.LEAVE: "its image and its run part are what runs",
}


def _planned(source: Source, decision: Decision) -> PlannedBuild:
    return PlannedBuild(
        action="reuse" if decision.is_reuse else "build",
        repository=source.repository,
        ref=source.ref,
        commit=decision.build.commit,
        reused=decision.build.reused,
        reason=decision.reason,
    )
