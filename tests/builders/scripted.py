"""A fake builder controlled by a test, for tests of the layers above builders."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from random import Random

from backends.builders.base import (
    Builder,
    BuilderError,
    BuildNotFound,
    BuildRequest,
    BuildState,
    BuildStatus,
    Source,
)


class ScriptedBuilder(Builder):
    """Holds builds in memory; `refusals` by component and `outage` make calls fail.

    `gate`, while it is not set, blocks every call; `before_answers` holds functions to call before
    each result of `get`, in turn. `logs` has the lines of a build's log; an exception in it
    interrupts the log, and a followed log ends once `ended` is set. `commits` has the commits of
    refs, and `images` the existing images, if known. `existing_builds` has the builds that need not
    be started, by component, and `looked_for` the sources for which they were asked. With an
    `order`, calls pass in random order. The counters record the calls.
    """

    unique_images = True

    def __init__(self) -> None:
        self.builds: dict[str, BuildState] = {}
        self.commits: dict[str, str | Exception] = {}
        self.images: set[str] | None = None
        self.existing_builds: dict[str, BuildState] | Exception = {}
        self.looked_for: list[Mapping[str, Source]] = []
        self.ids: dict[str, str] = {}
        self.requests: list[BuildRequest] = []
        self.sought: list[BuildRequest] = []
        self.asked: list[frozenset[str]] = []
        self.cancelled: Counter[str] = Counter()
        self.refusals: dict[str, Exception] = {}
        self.outage: BuilderError | None = None
        self.before_answers: list[Callable[[], object]] = []
        self.order: Random | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0
        self.pings = 0
        self.most_waiting = 0
        self._arrival = asyncio.Condition()
        self.closed = False
        self.logs: dict[str, list[str | Exception]] = {}
        self.ended = asyncio.Event()

    async def start(self, request: BuildRequest) -> BuildState:
        self.requests.append(request)
        await self._pass()
        if request.component in self.refusals:
            raise self.refusals[request.component]
        build_id = self.ids.setdefault(request.key, f"build-{len(self.ids) + 1}")
        return self.builds.setdefault(build_id, BuildState(build_id, BuildStatus.PENDING))

    async def find(self, request: BuildRequest) -> BuildState | None:
        self.sought.append(request)
        await self._pass()
        build_id = self.ids.get(request.key)
        return self.builds.get(build_id) if build_id else None

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        self.asked.append(frozenset(ids))
        if self.before_answers:
            self.before_answers.pop(0)()
        await self._pass()
        return {build_id: self.builds.get(build_id) for build_id in ids}

    async def cancel(self, tool: str, build_id: str) -> None:
        self.cancelled[build_id] += 1
        await self._pass()

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        await self._pass()
        if build_id not in self.logs:
            raise BuildNotFound(f"there is no log of {build_id}")
        for line in self.logs[build_id]:
            if isinstance(line, Exception):
                raise line
            yield line
        if follow:
            await self.ended.wait()
            yield "ended"

    async def resolve(self, tool: str, source: Source) -> str | None:
        found = self.commits.get(source.ref or "")
        if isinstance(found, Exception):
            raise found
        return found

    async def existing(self, tool: str, wanted: Mapping[str, Source]) -> Mapping[str, BuildState]:
        self.looked_for.append(wanted)
        if isinstance(self.existing_builds, Exception):
            raise self.existing_builds
        return {name: each for name, each in self.existing_builds.items() if name in wanted}

    async def has_image(self, tool: str, image: str) -> bool | None:
        return None if self.images is None else image in self.images

    async def ping(self) -> None:
        self.pings += 1
        await self._pass()

    async def close(self) -> None:
        self.closed = True

    def becomes(self, status: BuildStatus, *ids: str, message: str = "", image: str = "") -> None:
        """Set the status of builds; of all builds if none is named."""
        for build_id in ids or tuple(self.builds):
            self.builds[build_id] = BuildState(build_id, status, message, image=image or None)

    async def until_waiting(self, number: int) -> None:
        """Return once that many calls wait at the gate."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: self.waiting >= number)

    async def _pass(self) -> None:
        """Wait for the gate, and fail during an outage."""
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        async with self._arrival:
            self._arrival.notify_all()
        try:
            await self.gate.wait()
            for _ in range(self.order.randrange(8) if self.order else 0):
                await asyncio.sleep(0)  # lets other tasks run first
        finally:
            self.waiting -= 1
        if self.outage:
            raise self.outage
