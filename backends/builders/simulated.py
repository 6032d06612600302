"""A builder that builds nothing: a clock, for development, the demo and tests.

A build's id holds its component, the time of the first attempt, a hash of the key, and whether it
is to fail; how far a build is follows from that and the clock. So any process can answer for any
build.

Only that a build was cancelled is kept, in this process. A process that was not told, another one
or a later one, answers as if it went on. The engine asks the process that it has told, at once, and
stores what that says; so a build that was seen as cancelled stays so.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from environs import Env, validate

from backends.builders.base import (
    Builder,
    BuildNotFound,
    BuildRequest,
    BuildState,
    BuildStatus,
    Source,
)
from backends.clock import Clock, utc_now

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
PENDING_SHARE = 0.25
"""The part of a build's time that it spends pending."""

FAILING_REF = "simulate/error"
"""A build of this ref fails at the end of its time."""

CANCELLED_KEPT = 10_000
"""How many cancelled builds are remembered; one that ended long ago is asked for no more."""

LOOK_SECONDS = 0.5
"""How often it is looked whether a build whose log is followed was cancelled."""

_FAILS = "fails"


@dataclass(frozen=True, slots=True)
class _SimulatedBuild:
    """What an id says: `<component>-<milliseconds since 1970>-<hash of the key>[.fails]`."""

    component: str
    started: datetime
    digest: str
    fails: bool = False

    @classmethod
    def parse(cls, build_id: str) -> Self | None:
        try:
            component, milliseconds, rest = build_id.rsplit("-", 2)
            started = EPOCH + MILLISECOND * int(milliseconds)
        except (ValueError, OverflowError):
            return None
        digest, _, fate = rest.partition(".")
        return cls(component, started, digest, fate == _FAILS) if fate in ("", _FAILS) else None

    def __str__(self) -> str:
        fate = f".{_FAILS}" if self.fails else ""
        return f"{self.component}-{(self.started - EPOCH) // MILLISECOND}-{self.digest}{fate}"


class SimulatedBuilder(Builder):
    """Every build ends `build_seconds` after its first attempt, unless it is cancelled before."""

    notice = "builds are simulated: nothing is built, and the images do not exist"
    unique_images = True

    def __init__(self, build_seconds: float = 2.0, clock: Clock = utc_now) -> None:
        self._duration = timedelta(seconds=build_seconds)
        self._clock = clock
        self._cancelled: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a builder as `SIMULATED_BUILD_SECONDS` says (default 2)."""
        return cls(
            env.float("SIMULATED_BUILD_SECONDS", 2.0, validate=validate.Range(min=0, max=86400))
        )

    async def start(self, request: BuildRequest) -> BuildState:
        """See `Builder.start`."""
        digest = hashlib.sha256(request.key.encode()).hexdigest()[:12]
        fails = request.source.ref == FAILING_REF
        build = _SimulatedBuild(request.component, request.first_attempt, digest, fails)
        return self._state(request.tool, str(build))

    async def find(self, request: BuildRequest) -> BuildState | None:
        """Return None: a build that nobody knows of is no build."""
        return None

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        """See `Builder.get`."""
        return {build_id: self._state(tool, build_id) for build_id in ids}

    async def cancel(self, tool: str, build_id: str) -> None:
        """See `Builder.cancel`. It is this process that remembers it."""
        if self._state(tool, build_id).status.is_final:
            return
        self._cancelled[tool, build_id] = self._clock()
        while len(self._cancelled) > CANCELLED_KEPT:
            self._cancelled.popitem(last=False)

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Builder.log`."""
        build = _SimulatedBuild.parse(build_id)
        if build is None:
            raise BuildNotFound(f"there is no build {build_id!r}")
        what = f"simulated build of {build.component}"
        yield f"{what}: started"
        while not (state := self._state(tool, build_id)).status.is_final and follow:
            left = (build.started + self._duration - self._clock()).total_seconds()
            await asyncio.sleep(min(max(left, 0.0), LOOK_SECONDS))
        if state.status is BuildStatus.FINISHED:
            yield f"{what}: finished, nothing was built"
        elif state.status.is_final:
            yield f"{what}: {state.message}"

    async def resolve(self, tool: str, source: Source) -> str | None:
        """Return a commit that follows from the repository and the ref: nothing ever changes there.

        A ref that is a commit already is that one. The one that asks to fail has none: a commit
        would be built in its place.
        """
        if source.ref == FAILING_REF:
            return None
        if source.ref and re.fullmatch("[0-9a-f]{40}", source.ref):
            return source.ref
        text = f"{source.repository}\0{source.ref or ''}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def ping(self) -> None:
        """Return: a clock always answers."""

    async def close(self) -> None:
        """Return: there is nothing to let go of."""

    def _state(self, tool: str, build_id: str) -> BuildState:
        build = _SimulatedBuild.parse(build_id)
        if build is None:
            return BuildState(
                build_id, BuildStatus.ERROR, "there is no such simulated build", lost=True
            )
        ended = build.started + self._duration
        cancelled = self._cancelled.get((tool, build_id))
        if cancelled is not None:
            return BuildState(
                build_id,
                BuildStatus.CANCELLED,
                "cancelled",
                started=build.started,
                ended=max(cancelled, build.started),
            )
        elapsed = self._clock() - build.started
        if elapsed >= self._duration and build.fails:
            message = f"failed, as its ref {FAILING_REF!r} asks"
            return BuildState(
                build_id, BuildStatus.ERROR, message, started=build.started, ended=ended
            )
        if elapsed >= self._duration:
            return BuildState(
                build_id,
                BuildStatus.FINISHED,
                started=build.started,
                ended=ended,
                # .invalid is reserved (RFC 2606): nobody can ever pull this by mistake.
                image=f"simulated.invalid/{tool}/{build.component}:{build.digest}",
            )
        if elapsed < self._duration * PENDING_SHARE:
            return BuildState(build_id, BuildStatus.PENDING)
        return BuildState(build_id, BuildStatus.RUNNING, started=build.started)
