"""A builder that builds nothing, for development, the demo and tests.

A build's id holds its component, the time of the first attempt, a hash of the key, and whether it
is to fail. Its progress follows from that and the clock, so any process can report any build.

Only cancellations are stored, in the memory of this process. Another process, or this one after a
restart, reports a cancelled build as if it had continued. The engine queries the process that it
asked to cancel, immediately, and stores the result; so a build once seen as cancelled stays
cancelled.
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
"""The part of a build's duration for which it is pending."""

FAILING_REF = "simulate/error"
"""A build of this ref fails at the end of its duration."""

MAX_CANCELLED = 10_000
"""How many cancelled builds are remembered; older ones are no longer queried."""

POLL_SECONDS = 0.5
"""How often a followed log checks whether its build was cancelled."""

_FAILS = "fails"


@dataclass(frozen=True, slots=True)
class _SimulatedBuild:
    """The parts of an id: `<component>-<milliseconds since 1970>-<hash of the key>[.fails]`."""

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
        digest, _, suffix = rest.partition(".")
        return cls(component, started, digest, suffix == _FAILS) if suffix in ("", _FAILS) else None

    def __str__(self) -> str:
        suffix = f".{_FAILS}" if self.fails else ""
        return f"{self.component}-{(self.started - EPOCH) // MILLISECOND}-{self.digest}{suffix}"


class SimulatedBuilder(Builder):
    """Every build ends `build_seconds` after its first attempt, unless it is cancelled earlier."""

    notice = "builds are simulated: nothing is built, and the images do not exist"
    unique_images = True

    def __init__(self, build_seconds: float = 2.0, clock: Clock = utc_now) -> None:
        self._duration = timedelta(seconds=build_seconds)
        self._clock = clock
        self._cancelled: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a builder configured by `SIMULATED_BUILD_SECONDS` (default 2)."""
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
        """Return None: there are no builds besides those with a known id."""
        return None

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        """See `Builder.get`."""
        return {build_id: self._state(tool, build_id) for build_id in ids}

    async def cancel(self, tool: str, build_id: str) -> None:
        """See `Builder.cancel`. Only this process remembers the cancellation."""
        if self._state(tool, build_id).status.is_final:
            return
        self._cancelled[tool, build_id] = self._clock()
        while len(self._cancelled) > MAX_CANCELLED:
            self._cancelled.popitem(last=False)

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Builder.log`."""
        build = _SimulatedBuild.parse(build_id)
        if build is None:
            raise BuildNotFound(f"there is no build {build_id!r}")
        label = f"simulated build of {build.component}"
        yield f"{label}: started"
        while not (state := self._state(tool, build_id)).status.is_final and follow:
            left = (build.started + self._duration - self._clock()).total_seconds()
            await asyncio.sleep(min(max(left, 0.0), POLL_SECONDS))
        if state.status is BuildStatus.FINISHED:
            yield f"{label}: finished, nothing was built"
        elif state.status.is_final:
            yield f"{label}: {state.message}"

    async def resolve(self, tool: str, source: Source) -> str | None:
        """Return a commit derived from the repository and the ref, so it never changes.

        A commit resolves to itself. `FAILING_REF` has no commit: a build of a commit would not
        fail.
        """
        if source.ref == FAILING_REF:
            return None
        if source.ref and re.fullmatch("[0-9a-f]{40}", source.ref):
            return source.ref
        text = f"{source.repository}\0{source.ref or ''}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def ping(self) -> None:
        """Do nothing: this builder is always available."""

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""

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
            message = f"failed, as requested by its ref {FAILING_REF!r}"
            return BuildState(
                build_id, BuildStatus.ERROR, message, started=build.started, ended=ended
            )
        if elapsed >= self._duration:
            return BuildState(
                build_id,
                BuildStatus.FINISHED,
                started=build.started,
                ended=ended,
                # .invalid is reserved (RFC 2606), so this can never be pulled by mistake.
                image=f"simulated.invalid/{tool}/{build.component}:{build.digest}",
            )
        if elapsed < self._duration * PENDING_SHARE:
            return BuildState(build_id, BuildStatus.PENDING)
        return BuildState(build_id, BuildStatus.RUNNING, started=build.started)
