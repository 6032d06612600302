"""A fake builds service that follows `builds-api.yaml`; `__main__` runs it as a process.

Slots, retention, duration of builds, latency and faults can be set. It records what it executed:
`GET /started` returns the number of started builds per image and tool, and `GET /state` every build
ever started, its status, and whether it was deleted. `PUT /away/30` makes it unavailable for 30 s;
`POST /mend` ends all faults. A start that has begun is executed even if its client has gone.
"""

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.builders.toolforge.misbehaving import Misbehaving, no_delay, refusal

REFUSED_REF = "no-such-ref"
"""A ref that cannot be resolved."""


@dataclass
class Build:
    """A build in the service. `ends` is the loop time at which it ends by itself."""

    id: str
    tool: str
    parameters: dict[str, Any]
    status: str
    began: datetime
    ends: float | None
    ended: datetime | None = None
    commit: str = ""
    lines: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_final(self) -> bool:
        return self.ended is not None

    def end(self, status: str) -> None:
        self.status, self.ended = status, datetime.now(UTC)
        self.lines.append(f"{status.removeprefix('BUILD_').lower()}")
        self.changed.set()

    def answer(self) -> dict[str, Any]:
        times = {"start_time": f"{self.began:%Y-%m-%dT%H:%M:%SZ}"}
        if self.ended:
            times["end_time"] = f"{self.ended:%Y-%m-%dT%H:%M:%SZ}"
        image = f"registry.example.org/tool-{self.tool}/{self.parameters.get('image_name')}:latest"
        return {
            "build_id": self.id,
            "status": self.status,
            "message": "",
            "parameters": self.parameters,
            "destination_image": image,
            "resolved_ref": self.commit,
            **times,
        }


class BuildsService(Misbehaving):
    """The service. A start continues once `resolving` its ref has finished.

    `commits` has the commits of refs where a test cares. It retains `kept` ended builds of a tool.
    Every start of another build, even a rejected one, deletes all successful builds but the newest
    `successes_kept`.
    """

    def __init__(
        self,
        slots: int = 4,
        kept: int = 5,
        seconds: float | None = None,
        successes_kept: int = 1,
    ) -> None:
        super().__init__()
        self.slots = slots
        self.kept = kept
        self.successes_kept = successes_kept
        self.seconds = seconds
        self.endless: Callable[[], bool] = lambda: False
        self.builds: list[Build] = []
        self.ever: dict[str, Build] = {}
        self.started: Counter[str] = Counter()
        self.most_running: Counter[str] = Counter()
        self.resolving: Callable[[str], Awaitable[object]] = no_delay
        self.commits: dict[str | None, str] = {}
        self.healthy = True
        self.broken_log: str | None = None
        self.readers = 0
        self._readers_changed = asyncio.Condition()
        self._number = 0

    def app(self) -> web.Application:
        """The routes used, as the gateway serves them: under /builds."""
        app = web.Application(middlewares=[self.misbehave])
        tool = "/builds/v1/tool/{toolname}/builds"
        app.add_routes(
            [
                web.post(tool, self._start),
                web.get(tool, self._list),
                web.get(tool + "/{id}", self._get),
                web.put(tool + "/{id}/cancel", self._cancel),
                web.get(tool + "/{id}/logs", self._logs),
                web.get("/builds/v1/healthz", self._health),
                web.get("/started", self._counts),
                web.get("/state", self._state),
                web.put("/away/{seconds}", self._go_away),
                web.post("/mend", self._mend),
            ]
        )
        return app

    async def wait_for_readers(self, number: int) -> None:
        """Return once exactly that many logs are being read."""
        async with self._readers_changed:
            await self._readers_changed.wait_for(lambda: self.readers == number)

    def _end_what_is_due(self) -> None:
        now = asyncio.get_running_loop().time()
        for build in self.builds:
            if not build.is_final and build.ends is not None and now >= build.ends:
                build.end("BUILD_SUCCESS")

    def of(self, tool: str) -> list[Build]:
        """The retained builds of a tool, after ending those that are due."""
        self._end_what_is_due()
        ended = [each for each in self.builds if each.tool == tool and each.is_final]
        for old in ended[: max(0, len(ended) - self.kept)]:
            self.builds.remove(old)
        return [each for each in self.builds if each.tool == tool]

    def _clean_up(self, tool: str) -> None:
        succeeded = [each for each in self.of(tool) if each.status == "BUILD_SUCCESS"]
        for old in succeeded[: max(0, len(succeeded) - self.successes_kept)]:
            self.builds.remove(old)

    async def _start(self, request: web.Request) -> web.StreamResponse:
        tool, parameters = request.match_info["toolname"], await request.json()
        return await asyncio.shield(self.execute(self._start_build(tool, parameters)))

    async def _start_build(self, tool: str, parameters: dict[str, Any]) -> web.Response:
        self._clean_up(tool)
        if not isinstance(parameters.get("source_url"), str):
            return refusal(400, "source_url is required")
        await self.resolving(str(parameters.get("ref")))
        if parameters.get("ref") == REFUSED_REF:
            return refusal(400, f"unable to resolve ref '{REFUSED_REF}'")
        running = sum(not each.is_final for each in self.of(tool))
        self.most_running[tool] = max(self.most_running[tool], running + 1)
        if running >= self.slots:
            return refusal(409, "You already have 4 builds running, wait for them to end")
        self._number += 1
        self.started[_what(tool, parameters)] += 1
        now = asyncio.get_running_loop().time()
        ref = parameters.get("ref")
        commit = self.commits.get(ref) or commit_of(ref)
        build = Build(
            f"{tool}-buildpacks-pipelinerun-{self._number:05}",
            tool,
            parameters,
            "BUILD_RUNNING",
            datetime.now(UTC),
            None if self.seconds is None or self.endless() else now + self.seconds,
            commit=commit,
            lines=["[step-clone] cloning"],
        )
        self.builds.append(build)
        self.ever[build.id] = build
        new = {
            "name": build.id,
            "parameters": parameters,
            "resolved_ref": commit,
        }
        return web.json_response({"new_build": new, "messages": {}})

    async def _list(self, request: web.Request) -> web.Response:
        builds = [each.answer() for each in reversed(self.of(request.match_info["toolname"]))]
        return web.json_response({"builds": builds, "messages": {}})

    def _find(self, request: web.Request) -> Build | None:
        wanted = request.match_info["id"]
        return next((e for e in self.of(request.match_info["toolname"]) if e.id == wanted), None)

    async def _get(self, request: web.Request) -> web.Response:
        build = self._find(request)
        if build is None:
            return refusal(404, "no such build")
        return web.json_response({"build": build.answer(), "messages": {}})

    async def _cancel(self, request: web.Request) -> web.Response:
        build = self._find(request)
        if build is None:
            return refusal(404, "no such build")
        if build.is_final:
            return refusal(409, "the build has ended")
        build.end("BUILD_CANCELLED")
        return web.json_response({"id": build.id, "messages": {}})

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        build = self._find(request)
        if build is None:
            return refusal(404, "no such build")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await self._count_reader(1)
        try:
            await self._write(response, build, follow=request.query.get("follow") == "true")
        finally:
            await self._count_reader(-1)
        return response

    async def _write(self, response: web.StreamResponse, build: Build, *, follow: bool) -> None:
        sent = 0
        while True:
            for line in build.lines[sent:]:
                sent += 1
                await response.write(json.dumps({"line": line}).encode() + b"\n")
            if not follow or build.is_final:
                break
            await build.changed.wait()
        if self.broken_log:
            await response.write(self.broken_log.encode() + b"\n")
        await response.write_eof()

    async def _count_reader(self, more: int) -> None:
        self.readers += more
        async with self._readers_changed:
            self._readers_changed.notify_all()

    async def _health(self, request: web.Request) -> web.Response:
        status = "OK" if self.healthy else "ERROR"
        answer = {"status": status, "messages": {}}
        return web.json_response(answer, status=200 if self.healthy else 503)

    async def _counts(self, request: web.Request) -> web.Response:
        return web.json_response(self.started)

    async def _state(self, request: web.Request) -> web.Response:
        self._end_what_is_due()
        kept = {each.id for each in self.builds}
        return web.json_response(
            {
                each.id: {
                    "of": _what(each.tool, each.parameters),
                    "status": each.status,
                    "removed": each.id not in kept,
                }
                for each in self.ever.values()
            }
        )

    async def _go_away(self, request: web.Request) -> web.Response:
        self.away_until = asyncio.get_running_loop().time() + float(request.match_info["seconds"])
        return web.json_response({})

    async def _mend(self, request: web.Request) -> web.Response:
        self.latency, self.fault = lambda: 0, lambda: None
        self.lateness = self.resolving = no_delay
        return web.json_response({})


def commit_of(ref: str | None) -> str:
    """Return the commit of a ref; a commit resolves to itself."""
    if ref and re.fullmatch(r"[0-9a-f]{40}", ref):
        return ref
    return hashlib.sha1((ref or "HEAD").encode(), usedforsecurity=False).hexdigest()


def _what(tool: str, parameters: dict[str, Any]) -> str:
    ref = parameters.get("ref")
    return f"{tool}/{parameters.get('image_name')}" + (f"@{ref}" if ref else "")
