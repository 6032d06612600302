"""A backend that knows no keys, and builders as two instances have them: for tests of the rules.

It does what a builds service may do: it carries a start out late or loses the answer, and removes
what has ended. `key` is for the test alone: nobody finds a build by it.
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


def _away() -> BuilderUnavailable:
    return BuilderUnavailable("away", maybe_started=False)


def _lost() -> BuilderUnavailable:
    return BuilderUnavailable("the answer was lost", maybe_started=True)


@dataclass
class Job:
    """A build as the backend has it."""

    request: BuildRequest
    state: BuildState
    began: datetime
    removed: bool = False

    @property
    def runs(self) -> bool:
        return not self.state.status.is_final


@dataclass
class Backend:
    """What both instances speak to. `late` holds starts with the time after which they are not."""

    clock: Clock
    jobs: dict[str, Job] = field(default_factory=dict)
    late: list[tuple[BuildRequest, datetime]] = field(default_factory=list)

    def carry_out(self, request: BuildRequest) -> BuildState:
        state = BuildState(f"build-{len(self.jobs) + 1}", BuildStatus.RUNNING)
        self.jobs[state.id] = Job(request, state, self.clock())
        return state

    def becomes(self, build_id: str, status: BuildStatus) -> None:
        """Let a build that runs go on."""
        job = self.jobs[build_id]
        if job.runs:
            job.state = BuildState(build_id, status, image="i:1")

    def remove(self, build_id: str) -> None:
        """Forget a build that has ended."""
        self.jobs[build_id].removed |= not self.jobs[build_id].runs

    def arrive(self, *, every: bool = False) -> None:
        """Carry out the oldest start that is late, or all; what is too late is not carried out."""
        self.late = [each for each in self.late if each[1] > self.clock()]
        number = len(self.late) if every else 1
        for request, _ in self.late[:number]:
            self.carry_out(request)
        del self.late[:number]


class KeylessBuilder(Builder):
    """One instance's builder. `how` says by component what becomes of its next starts.

    While `gate` is not set, starts wait, and are late where they are given up; during an `outage`
    nothing else is answered.
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
            raise _away()
        if self.backend.clock() >= until:
            raise _lost()
        match self.how.get(request.component, "well"):
            case "lost":
                self.backend.carry_out(request)
                raise _lost()
            case "late":
                self.backend.late.append((request, until))
                raise _lost()
            case "full":
                raise NoFreeSlot("full")
            case "rejected":
                raise BuildRejected("no such ref")
            case _:
                return self.backend.carry_out(request)

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
            raise _away()
