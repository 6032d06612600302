"""The toolforge runner keeps the contract of runners whose platform keeps no marks."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestServer

from backends.runners.base import (
    Runner,
    RunnerUnavailable,
    Running,
    RunRequest,
    RunSpec,
    Wanted,
)
from tests.conftest import HandClock
from tests.runners.contract import RunnerContract, request_of
from tests.runners.toolforge.conftest import Connect
from tests.runners.toolforge.jobs_service import JobsService


class TestToolforgeRunner(RunnerContract):
    @pytest.fixture
    async def runner(
        self, server: TestServer, connect: Connect, service: JobsService, clock: HandClock
    ) -> Runner:
        self.service, self.server, self.clock = service, server, clock
        self.revisions: dict[str, str] = {}
        return await connect(server.make_url("/"))

    async def until(
        self, runner: Runner, tool: str, seen: Callable[[Mapping[str, Running]], bool]
    ) -> Mapping[str, Running]:
        found = await runner.list(tool)
        assert seen(found)
        return found

    async def come_up(self, tool: str, component: str) -> None:
        self.service.come_up(tool, component)

    def slow(self, revision: str = "slow", replicas: int | None = None) -> Wanted:
        return Wanted("registry.invalid/slow:1", RunSpec("serve", replicas=replicas), revision)

    def crashing(self) -> Wanted:
        return Wanted("registry.invalid/crash:1", RunSpec("serve"))

    def listed(self, wanted: Wanted) -> Wanted:
        return replace(wanted, revision="")

    def known(self, running: Running | None) -> Running | None:
        if running is None or running.wanted is None:
            return running
        revision = self.revisions.get(running.component, "")
        return replace(running, wanted=replace(running.wanted, revision=revision))

    def is_carried_out(self, runner: Runner, running: Running, request: RunRequest) -> bool:
        return not runner.differences(running, request.wanted)

    async def again(self, runner: Runner, request: RunRequest) -> None:
        await super().again(runner, request)
        self.revisions[request.component] = request.wanted.revision

    async def test_what_others_made_is_listed_and_not_marked(
        self, runner: Runner, tool: str
    ) -> None:
        assert not runner.marks
        self.service.put(tool, "web", cpu="2")
        (running,) = (await runner.list(tool)).values()
        assert not running.marked
        assert (running.origin, running.fence) == (None, None)
        assert running.wanted == Wanted("python3.13", RunSpec("serve", cpu="2"))

    @pytest.mark.parametrize(
        ("shown", "told"),
        [
            ({}, ()),
            ({"imagename": "tool-mytool/web:latest", "image": "x"}, ()),
            ({"imagename": "tool-mytool/web"}, ()),
            ({"cpu": "0.5", "memory": "1024Mi"}, ()),
            ({"retry": 0, "emails": "none", "replicas": 1, "mount": "all"}, ()),
            ({"cmd": "serve  --now"}, ()),
            ({"cmd": "other"}, ("command: is 'other', and was 'serve --now'",)),
            ({"imagename": "tool-mytool/other:latest"}, ("imagename: is",)),
            ({"cpu": "1"}, ("cpu: is '1', and was '500m'",)),
            ({"memory": None}, ("memory: is not set, and was '1Gi'",)),
            ({"replicas": 2}, ("replicas: is 2, and was not set",)),
        ],
    )
    async def test_only_what_makes_a_difference_is_one(
        self, runner: Runner, tool: str, shown: dict[str, object], told: tuple[str, ...]
    ) -> None:
        image = "registry.example.org:5000/tool-mytool/web:latest"
        wanted = Wanted(image, RunSpec("serve --now", cpu="500m", memory="1Gi"), "build-1")
        await runner.apply(request_of(tool, wanted), None)
        job = self.service.jobs[tool, "web"]
        job.given = {name: each for name, each in (job.given | shown).items() if each is not None}
        found = runner.differences((await runner.list(tool))["web"], wanted)
        assert len(found) == len(told)
        assert all(each.startswith(begins) for each, begins in zip(found, told, strict=True))

    async def test_what_was_taken_away_does_not_run_and_is_made_anew(
        self, runner: Runner, tool: str
    ) -> None:
        request = request_of(tool, self.wanted())
        known = await self.up(runner, request)
        del self.service.jobs[tool, "web"]
        assert await runner.list(tool) == {}
        await runner.apply(request, self.known(known))
        await self.healthy(runner, request)

    async def test_what_the_service_says_was_changed_where_it_runs_is_drift(
        self, runner: Runner, tool: str
    ) -> None:
        await self.up(runner, request_of(tool, self.wanted()))
        self.service.jobs[tool, "web"].up_to_date = False
        assert (await runner.list(tool))["web"].drift
        assert (await self.up(runner, request_of(tool, self.wanted(), 2))).drift == ()

    async def test_without_its_platform_a_runner_is_unavailable(
        self, runner: Runner, tool: str
    ) -> None:
        running = await self.up(runner, request_of(tool, self.wanted()))
        await self.server.close()
        calls = (
            runner.list(tool),
            runner.apply(request_of(tool, self.wanted(), 2), running),
            runner.remove(tool, running),
            runner.restart(tool, "web"),
            runner.ping(),
        )
        for each in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(each, RunnerUnavailable)
