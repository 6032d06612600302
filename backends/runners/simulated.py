"""A runner that runs nothing: a clock, for development, the demo and tests.

What was applied is kept in this process alone, and is gone with it; how far a rollout is follows
from when it began and from the clock. While a new version is not up, the one before goes on.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from environs import Env, validate

from backends.clock import Clock, utc_now
from backends.runners.base import (
    Fence,
    Health,
    NothingRuns,
    Origin,
    Runner,
    Running,
    RunRejected,
    RunRequest,
    Superseded,
    Wanted,
)
from backends.runners.schedules import next_run

CRASHING_COMMAND = "simulate/crash"
"""A continuous component with this command crashes at the end of its rollout."""

COMPONENTS_KEPT = 10_000
"""How many components are remembered, of all tools; the one applied first is forgotten first."""

LOOK_SECONDS = 0.5
"""How often it is looked whether what a log is followed of has got any further."""


@dataclass(frozen=True, slots=True)
class _Version:
    """One wanted state that was started: what a rollout rolls out."""

    wanted: Wanted
    started: datetime
    up: datetime
    """When its rollout ends: it is up by then, or it has crashed."""

    @property
    def scheduled(self) -> bool:
        return self.wanted.spec.schedule is not None

    @property
    def crashes(self) -> bool:
        return not self.scheduled and self.wanted.spec.command == CRASHING_COMMAND

    @property
    def replicas(self) -> int:
        return 0 if self.scheduled else self.wanted.spec.replicas or 1

    def health(self, now: datetime) -> Health:
        if not self.scheduled and now < self.up:
            return Health.PROGRESSING
        return Health.FAILED if self.crashes else Health.HEALTHY

    def ready(self, now: datetime) -> int:
        """Return how many instances are ready: they come up one after another."""
        if self.crashes:
            return 0
        if now >= self.up:
            return self.replicas
        return int(self.replicas * ((now - self.started) / (self.up - self.started)))


@dataclass(frozen=True, slots=True)
class _Component:
    """What there is of a component: its version, and the one that serves until that is up."""

    version: _Version
    origin: Origin
    fence: Fence
    before: _Version | None = None
    runs_until: datetime | None = None
    """When the run ends that a scheduled one was told to begin."""

    def serving(self, now: datetime) -> _Version | None:
        """Return the version that serves at a time."""
        if self.version.health(now) is Health.HEALTHY:
            return None if self.version.scheduled else self.version
        return self.before


class SimulatedRunner(Runner):
    """Every rollout ends `run_seconds` after it began."""

    notice = "runs are simulated: nothing runs, and what seems to run ends with this process"

    def __init__(self, run_seconds: float = 2.0, clock: Clock = utc_now) -> None:
        self._duration = timedelta(seconds=run_seconds)
        self._clock = clock
        self._components: OrderedDict[tuple[str, str], _Component] = OrderedDict()

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a runner as `SIMULATED_RUN_SECONDS` says (default 2)."""
        return cls(
            env.float("SIMULATED_RUN_SECONDS", 2.0, validate=validate.Range(min=0, max=86400))
        )

    async def list(self, tool: str) -> Mapping[str, Running]:
        """See `Runner.list`."""
        now = self._clock()
        return {
            component: _running(tool, component, found, now)
            for (of, component), found in self._components.items()
            if of == tool
        }

    async def apply(self, request: RunRequest, running: Running | None) -> None:
        """See `Runner.apply`."""
        key = request.tool, request.component
        found = self._components.get(key)
        if found is None:
            version, before = self._start(request.wanted), None
        else:
            _check(request.fence, found)
            version, before = self._replace(found, request.wanted)
        runs_until = found.runs_until if found and version is found.version else None
        self._components[key] = _Component(
            version, request.origin, request.fence, before, runs_until
        )
        while len(self._components) > COMPONENTS_KEPT:
            self._components.popitem(last=False)

    async def remove(self, tool: str, running: Running, fence: Fence | None = None) -> None:
        """See `Runner.remove`."""
        found = self._components.get((tool, running.component))
        if found is None:
            return
        if fence is not None:
            _check(fence, found)
        del self._components[tool, running.component]

    async def restart(self, tool: str, component: str) -> None:
        """See `Runner.restart`."""
        found = self._find(tool, component)
        if found.version.scheduled:
            raise RunRejected(f"{component} is scheduled: it is started, not restarted")
        self._components[tool, component] = replace(
            found, version=self._start(found.version.wanted), before=found.serving(self._clock())
        )

    async def start(self, tool: str, component: str) -> None:
        """See `Runner.start`."""
        found, now = self._find(tool, component), self._clock()
        if not found.version.scheduled:
            raise RunRejected(f"{component} is continuous: it is restarted, not started")
        if found.runs_until is not None and now < found.runs_until:
            raise RunRejected(f"{component} is running already")
        self._components[tool, component] = replace(found, runs_until=now + self._duration)

    async def log(self, tool: str, component: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Runner.log`. A log that is followed ends with the version that wrote it."""
        version = self._find(tool, component).version
        what = f"simulated run of {component}"
        yield f"{what}: started"
        told = False
        while True:
            left = (version.up - self._clock()).total_seconds()
            if left <= 0 and not told:
                told = True
                for line in _last_lines(version):
                    yield f"{what}: {line}"
            if not (follow and self._runs(tool, component, version)):
                return
            await asyncio.sleep(LOOK_SECONDS if told else min(left, LOOK_SECONDS))

    async def ping(self) -> None:
        """Return: a clock always answers."""

    async def close(self) -> None:
        """Return: there is nothing to let go of."""

    def _start(self, wanted: Wanted) -> _Version:
        now = self._clock()
        return _Version(wanted, now, now + self._duration)

    def _replace(self, found: _Component, wanted: Wanted) -> tuple[_Version, _Version | None]:
        """Return the version that has a wanted state, and the one that serves until it is up."""
        if found.version.wanted == wanted:
            return found.version, found.before
        serving = found.serving(self._clock())
        if serving is not None and serving.wanted == wanted:
            return serving, None
        return self._start(wanted), serving

    def _find(self, tool: str, component: str) -> _Component:
        try:
            return self._components[tool, component]
        except KeyError:
            raise NothingRuns(f"nothing runs of {component}") from None

    def _runs(self, tool: str, component: str, version: _Version) -> bool:
        found = self._components.get((tool, component))
        return found is not None and found.version is version


def _check(fence: Fence, found: _Component) -> None:
    if fence < found.fence:
        raise Superseded(f"what runs was made by the later deployment {found.fence.deploy_id}")


def _running(tool: str, component: str, found: _Component, now: datetime) -> Running:
    version, spec = found.version, found.version.wanted.spec
    health = version.health(now)
    return Running(
        component,
        health,
        _message(component, found, health, now),
        version.wanted,
        found.origin,
        found.fence,
        ready=version.ready(now),
        replicas=version.replicas,
        restarts=1 if health is Health.FAILED else 0,
        started=version.started,
        # .invalid is reserved (RFC 2606): nobody can ever be there.
        url=f"http://{tool}.simulated.invalid{spec.publish}" if spec.publish else None,
        next_run=next_run(spec.schedule, now) if spec.schedule else None,
    )


def _message(component: str, found: _Component, health: Health, now: datetime) -> str:
    if health is Health.HEALTHY:
        running = found.runs_until is not None and now < found.runs_until
        return "running, as it was told to" if running else ""
    version = found.version
    if health is Health.FAILED:
        lines = "\n".join(_last_lines(version))
        said = f"{component} crashes: exit code 1; the last lines of its log:\n{lines}"
    else:
        said = f"{version.ready(now)} of {version.replicas} ready"
    return f"{said}\nthe version before goes on" if found.serving(now) else said


def _last_lines(version: _Version) -> list[str]:
    if version.crashes:
        return [f"crashed, as its command {CRASHING_COMMAND!r} asks", "exit code 1"]
    return ["up, and nothing runs"]
