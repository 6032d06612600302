"""What runs of a tool now, whatever deployed it, and what can be done with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime

from backends.runners.base import Health, NothingRuns, RunnerUnavailable, Running
from components.engine.context import Answer, Engine
from components.engine.deployments.reading import deployments_to_recall
from components.engine.errors import NotRunning, RolloutUnderWay
from components.engine.queue.reservation import read_snapshot
from components.engine.queue.rollout import rollout_under_way
from components.engine.runs.unmarked import is_ours, recalled


@dataclass(frozen=True, slots=True)
class RunningComponent:
    """What runs of one component: how it does, and where it came from."""

    health: Health
    message: str
    image: str | None
    commit: str | None
    deploy_id: str | None
    schedule: str | None
    ready: int
    replicas: int
    restarts: int
    started: datetime | None
    url: str | None
    next_run: datetime | None
    drift: tuple[str, ...]


Components = Mapping[str, RunningComponent]


async def show_running(engine: Engine, tool: str) -> Answer[Components]:
    """Return what runs of a tool, by component. Raises `RunnerUnavailable`."""
    running = await _list(engine, tool)
    return Answer({name: _component(each) for name, each in running.items()}, _notices(engine))


async def restart_component(engine: Engine, tool: str, component: str) -> Answer[Components]:
    """Start a continuous component again, one instance after another; return what runs.

    Raises `NotRunning`, `RunRejected`, `RunnerUnavailable`, `RolloutUnderWay`.
    """
    await _refuse_during_rollout(engine, tool)
    await _check_is_ours(engine, tool, component)
    return await _after(engine, tool, component, engine.runner.restart(tool, component))


async def start_component(engine: Engine, tool: str, component: str) -> Answer[Components]:
    """Run a scheduled component once, now; return what runs.

    Raises `NotRunning`, `RunRejected`, `RunnerUnavailable`, `RolloutUnderWay`.
    """
    await _refuse_during_rollout(engine, tool)
    await _check_is_ours(engine, tool, component)
    return await _after(engine, tool, component, engine.runner.start(tool, component))


async def stop_components(
    engine: Engine, tool: str, component: str | None = None
) -> Answer[Components]:
    """Stop a component, or all of a tool's, and remove what was made for it; return what ran.

    Raises `NotRunning`, `RunRejected`, `RunnerUnavailable`, `RolloutUnderWay`.
    """
    await _refuse_during_rollout(engine, tool)
    running = await _list(engine, tool)
    if component is not None:
        if component not in running:
            raise NotRunning(tool, component, running)
        running = {component: running[component]}
    outcomes = await asyncio.gather(
        *(engine.runner.remove(tool, each) for each in running.values()), return_exceptions=True
    )
    for failure in filter(None, outcomes):
        raise failure
    return Answer({name: _component(each) for name, each in running.items()}, _notices(engine))


async def running_log(
    engine: Engine, tool: str, component: str, *, follow: bool = False
) -> AsyncIterator[str]:
    """Return the lines of the log of what runs; if `follow`, as they come.

    The iterator raises what the runner does: `NothingRuns` before the first line,
    `RunnerUnavailable` at any. Raises `NotRunning` where only the engine knows what is its own.
    """
    await _check_is_ours(engine, tool, component)
    return engine.runner.log(tool, component, follow=follow)


async def _after(
    engine: Engine, tool: str, component: str, action: Awaitable[None]
) -> Answer[Components]:
    """Return what runs after an action. Raises `NotRunning`, with the nearest name that runs."""
    try:
        await action
    except NothingRuns:
        running = await _list(engine, tool)
        if component in running or not engine.runner.runs:
            raise
        raise NotRunning(tool, component, running) from None
    return await show_running(engine, tool)


async def _list(engine: Engine, tool: str) -> Mapping[str, Running]:
    """Return what runs and this service made, by name in alphabetical order."""
    try:
        async with engine.runner_breaker.guard(tool, engine.builder_timeout):
            listing = await engine.runner.list(tool)
    except TimeoutError:
        raise RunnerUnavailable("the runner did not respond in time") from None
    running = recalled(engine.runner, listing, await deployments_to_recall(engine, tool))
    return {name: each for name, each in sorted(running.items()) if is_ours(each)}


async def _check_is_ours(engine: Engine, tool: str, component: str) -> None:
    """Raise `NotRunning` for what this service did not make, unless the runner itself tells."""
    if engine.runner.marks:
        return
    running = await _list(engine, tool)
    if component not in running:
        raise NotRunning(tool, component, running)


async def _refuse_during_rollout(engine: Engine, tool: str) -> None:
    deploy_id = rollout_under_way(await read_snapshot(engine, tool))
    if deploy_id:
        raise RolloutUnderWay(deploy_id)


def _notices(engine: Engine) -> tuple[str, ...]:
    return tuple(filter(None, (engine.runner.notice,)))


def _component(running: Running) -> RunningComponent:
    wanted, origin = running.wanted, running.origin
    return RunningComponent(
        health=running.health,
        message=running.message,
        image=wanted.image if wanted else None,
        commit=origin.commit if origin else None,
        deploy_id=origin.deploy_id if origin else None,
        schedule=wanted.spec.schedule if wanted else None,
        ready=running.ready,
        replicas=running.replicas,
        restarts=running.restarts,
        started=running.started,
        url=running.url,
        next_run=running.next_run,
        drift=running.drift,
    )
