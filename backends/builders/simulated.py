"""A builder that builds nothing: a clock, for development, the demo and tests.

It keeps nothing either. A build's id holds its component, the time of the first attempt and a
hash of the key, and how far a build is follows from its id and the clock. So any process can
answer for any build, and a cancelled one simply runs to its end.
"""

import asyncio
import hashlib
import re
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


@dataclass(frozen=True, slots=True)
class _SimulatedBuild:
    """What an id says: `<component>-<milliseconds since 1970>-<hash of the key>`."""

    component: str
    started: datetime
    digest: str

    @classmethod
    def parse(cls, build_id: str) -> Self | None:
        try:
            component, milliseconds, digest = build_id.rsplit("-", 2)
            started = EPOCH + MILLISECOND * int(milliseconds)
        except (ValueError, OverflowError):
            return None
        return cls(component, started, digest)

    def __str__(self) -> str:
        return f"{self.component}-{(self.started - EPOCH) // MILLISECOND}-{self.digest}"


class SimulatedBuilder(Builder):
    """Every build succeeds `build_seconds` after its first attempt."""

    notice = "builds are simulated: nothing is built, and the images do not exist"

    def __init__(self, build_seconds: float = 2.0, clock: Clock = utc_now) -> None:
        self._duration = timedelta(seconds=build_seconds)
        self._clock = clock

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a builder as `SIMULATED_BUILD_SECONDS` says (default 2)."""
        return cls(
            env.float("SIMULATED_BUILD_SECONDS", 2.0, validate=validate.Range(min=0, max=86400))
        )

    async def start(self, request: BuildRequest) -> BuildState:
        """See `Builder.start`."""
        digest = hashlib.sha256(request.key.encode()).hexdigest()[:12]
        build = _SimulatedBuild(request.component, request.first_attempt, digest)
        return self._state(request.tool, str(build))

    async def find(self, request: BuildRequest) -> BuildState | None:
        """Return None: a build that nobody knows of is no build."""
        return None

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        """See `Builder.get`."""
        return {build_id: self._state(tool, build_id) for build_id in ids}

    async def cancel(self, tool: str, build_id: str) -> None:
        """Return: nothing runs that could be ended."""

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `Builder.log`."""
        build = _SimulatedBuild.parse(build_id)
        if build is None:
            raise BuildNotFound(f"there is no build {build_id!r}")
        yield f"simulated build of {build.component}: started"
        remaining = build.started + self._duration - self._clock()
        if follow and remaining > timedelta():
            await asyncio.sleep(remaining.total_seconds())
        if self._state(tool, build_id).status.is_final:
            yield f"simulated build of {build.component}: finished, nothing was built"

    async def resolve(self, tool: str, source: Source) -> str | None:
        """Return a commit that follows from the repository and the ref: nothing ever changes there.

        A ref that is a commit already is that one.
        """
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
            return BuildState(build_id, BuildStatus.ERROR, "there is no such simulated build")
        elapsed = self._clock() - build.started
        if elapsed >= self._duration:
            return BuildState(
                build_id,
                BuildStatus.FINISHED,
                started=build.started,
                ended=build.started + self._duration,
                # .invalid is reserved (RFC 2606): nobody can ever pull this by mistake.
                image=f"simulated.invalid/{tool}/{build.component}:{build.digest}",
            )
        if elapsed < self._duration * PENDING_SHARE:
            return BuildState(build_id, BuildStatus.PENDING)
        return BuildState(build_id, BuildStatus.RUNNING, started=build.started)
