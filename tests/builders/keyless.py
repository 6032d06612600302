"""A backend without idempotency keys, and a builder per instance: for tests of the engine.

It behaves like a builds service: it may execute a start late, lose the response, and delete ended
builds. Only tests use `key`; builds cannot be found by it.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from backends.builders.base import (
    Builder,
    BuilderUnavailable,
    BuildNotFound,
    BuildRejected,
    BuildRequest,
    BuildState,
    BuildStatus,
    NoFreeSlot,
    Source,
)
from backends.clock import Clock

SETTLING = timedelta(seconds=120)


def _unavailable() -> BuilderUnavailable:
    return BuilderUnavailable("away", maybe_started=False)


def _response_lost() -> BuilderUnavailable:
    return BuilderUnavailable("the answer was lost", maybe_started=True)


@dataclass
class Job:
    """A build in the backend."""

    request: BuildRequest
    state: BuildState
    began: datetime
    removed: bool = False

    @property
    def runs(self) -> bool:
        return not self.state.status.is_final


@dataclass
class Backend:
    """The backend of both instances. `late` holds delayed starts and their deadlines."""

    clock: Clock
    jobs: dict[str, Job] = field(default_factory=dict)
    late: list[tuple[BuildRequest, datetime]] = field(default_factory=list)

    def execute(self, request: BuildRequest) -> BuildState:
        state = BuildState(f"build-{len(self.jobs) + 1}", BuildStatus.RUNNING)
        self.jobs[state.id] = Job(request, state, self.clock())
        return state

    def becomes(self, build_id: str, status: BuildStatus) -> None:
        """Set the status of a running build."""
        job = self.jobs[build_id]
        if job.runs:
            job.state = BuildState(build_id, status, image="i:1")

    def remove(self, build_id: str) -> None:
        """Delete an ended build."""
        self.jobs[build_id].removed |= not self.jobs[build_id].runs

    def arrive(self, *, every: bool = False) -> None:
        """Execute the oldest delayed start, or all; those after their deadline are dropped."""
        self.late = [each for each in self.late if each[1] > self.clock()]
        number = len(self.late) if every else 1
        for request, _ in self.late[:number]:
            self.execute(request)
        del self.late[:number]


class KeylessBuilder(Builder):
    """The builder of one instance. `how` says, by component, what happens to its next starts.

    While `gate` is not set, starts wait; they are executed late if they are aborted. During an
    `outage`, all other calls fail.
    """

    knows_keys = False
    settling = SETTLING
    unique_images = True

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.how: dict[str, str] = {}
        self.outage = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self, request: BuildRequest) -> BuildState:
        if request.repeated and (found := await self.find(request)):
            return found
        until = self.backend.clock() + SETTLING
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.backend.late.append((request, until))
            raise
        if self.outage:
            raise _unavailable()
        if self.backend.clock() >= until:
            raise _response_lost()
        match self.how.get(request.component, "well"):
            case "lost":
                self.backend.execute(request)
                raise _response_lost()
            case "late":
                self.backend.late.append((request, until))
                raise _response_lost()
            case "full":
                raise NoFreeSlot("full")
            case "rejected":
                raise BuildRejected("no such ref")
            case _:
                return self.backend.execute(request)

    async def find(self, request: BuildRequest) -> BuildState | None:
        self._answer()
        until = request.last_attempt and request.last_attempt + SETTLING
        for build_id, job in self.backend.jobs.items():
            is_of = (job.request.component, job.request.source) == (
                request.component,
                request.source,
            )
            in_time = request.first_attempt <= job.began and (until is None or job.began <= until)
            if is_of and in_time and not job.removed and build_id not in request.taken:
                return job.state
        return None

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        self._answer()
        return {each: self._state(each) for each in ids}

    def _state(self, build_id: str) -> BuildState:
        job = self.backend.jobs.get(build_id)
        if job is None or job.removed:
            return BuildState(build_id, BuildStatus.ERROR, "lost", lost=True)
        return job.state

    async def cancel(self, tool: str, build_id: str) -> None:
        self._answer()
        self.backend.becomes(build_id, BuildStatus.CANCELLED)

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        raise BuildNotFound("there are no logs")
        yield ""

    async def resolve(self, tool: str, source: Source) -> str | None:
        return None

    async def ping(self) -> None:
        self._answer()

    async def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.outage:
            raise _unavailable()
