"""The simulated runner keeps the contract of all runners, and nothing else."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from environs import Env, EnvError

from backends.runners.base import Health, NothingRuns, Runner, Running, RunSpec, Wanted
from backends.runners.simulated import COMPONENTS_KEPT, CRASHING_COMMAND, SimulatedRunner
from tests.conftest import NOON, HandClock
from tests.factories import TOOL
from tests.runners.contract import NIGHTLY, MarkingRunnerContract, request_of

SECONDS = 2.0


class TestSimulatedRunner(MarkingRunnerContract):
    @pytest.fixture
    async def runner(self, clock: HandClock) -> Runner:
        self.clock = clock
        return SimulatedRunner(SECONDS, clock)

    async def until(
        self, runner: Runner, tool: str, seen: Callable[[Mapping[str, Running]], bool]
    ) -> Mapping[str, Running]:
        found = await runner.list(tool)
        if not seen(found):
            self.clock.turn(SECONDS)
            found = await runner.list(tool)
        assert seen(found)
        return found

    async def come_up(self, tool: str, component: str) -> None:
        self.clock.turn(SECONDS)

    def slow(self, revision: str = "slow", replicas: int | None = None) -> Wanted:
        return Wanted("registry.invalid/slow:1", RunSpec("serve", replicas=replicas), revision)

    def crashing(self) -> Wanted:
        return Wanted("registry.invalid/crash:1", RunSpec(CRASHING_COMMAND))

    async def test_instances_come_up_one_after_another(
        self, runner: Runner, clock: HandClock
    ) -> None:
        await runner.apply(request_of(TOOL, self.slow(replicas=4)), None)
        seen = []
        for _ in range(5):
            running = (await runner.list(TOOL))["web"]
            seen.append((running.health, running.ready, running.replicas, running.message))
            clock.turn(SECONDS / 4)
        assert seen == [
            *((Health.PROGRESSING, n, 4, f"{n} of 4 ready") for n in range(4)),
            (Health.HEALTHY, 4, 4, ""),
        ]

    async def test_a_version_that_serves_goes_on_while_the_next_one_rolls_out(
        self, runner: Runner
    ) -> None:
        await self.up(runner, request_of(TOOL, self.wanted()))
        await runner.apply(request_of(TOOL, self.crashing(), 2), None)
        assert (await runner.list(TOOL))["web"].message == (
            "0 of 1 ready\nthe version before goes on"
        )
        found = await self.until(runner, TOOL, lambda found: found["web"].health is Health.FAILED)
        assert found["web"].message == (
            "web crashes: exit code 1; the last lines of its log:\n"
            "crashed, as its command 'simulate/crash' asks\nexit code 1\n"
            "the version before goes on"
        )

    async def test_a_version_that_never_was_up_does_not_serve(
        self, runner: Runner, clock: HandClock
    ) -> None:
        await runner.apply(request_of(TOOL, self.crashing()), None)
        clock.turn(SECONDS)
        await runner.apply(request_of(TOOL, self.slow(), 2), None)
        assert (await runner.list(TOOL))["web"].message == "0 of 1 ready"

    async def test_what_is_published_has_an_address_that_nobody_has(self, runner: Runner) -> None:
        published = Wanted("i", RunSpec("serve", port=8000, publish="/"))
        running = await self.up(runner, request_of(TOOL, published))
        assert running.url == "http://mytool.simulated.invalid/"

    @pytest.mark.parametrize(
        ("schedule", "at"),
        [
            (NIGHTLY, datetime(2024, 4, 5, 3, tzinfo=UTC)),
            ("*/15 * * * *", datetime(2024, 4, 4, 12, 15, tzinfo=UTC)),
            ("0 12 * * *", datetime(2024, 4, 5, 12, tzinfo=UTC)),
            ("@hourly", datetime(2024, 4, 4, 13, tzinfo=UTC)),
            ("@daily", datetime(2024, 4, 5, tzinfo=UTC)),
            ("@midnight", datetime(2024, 4, 5, tzinfo=UTC)),
            ("@weekly", datetime(2024, 4, 7, tzinfo=UTC)),
            ("@monthly", datetime(2024, 5, 1, tzinfo=UTC)),
            ("@yearly", datetime(2025, 1, 1, tzinfo=UTC)),
            ("@annually", datetime(2025, 1, 1, tzinfo=UTC)),
        ],
    )
    async def test_the_next_time_follows_from_the_schedule_and_the_clock(
        self, runner: Runner, schedule: str, at: datetime
    ) -> None:
        await runner.apply(request_of(TOOL, self.wanted(schedule=schedule)), None)
        running = (await runner.list(TOOL))["web"]
        assert running.health is Health.HEALTHY
        assert running.next_run == at

    async def test_a_run_that_was_started_ends(self, runner: Runner, clock: HandClock) -> None:
        await runner.apply(request_of(TOOL, self.wanted(schedule=NIGHTLY)), None)
        await runner.start(TOOL, "web")
        assert (await runner.list(TOOL))["web"].message == "running, as it was told to"
        clock.turn(SECONDS)
        assert (await runner.list(TOOL))["web"].message == ""
        await runner.start(TOOL, "web")

    async def test_the_log_of_what_has_crashed_says_so(
        self, runner: Runner, clock: HandClock
    ) -> None:
        await runner.apply(request_of(TOOL, self.crashing()), None)
        assert [line async for line in runner.log(TOOL, "web")] == ["simulated run of web: started"]
        clock.turn(SECONDS)
        assert [line async for line in runner.log(TOOL, "web")] == [
            "simulated run of web: started",
            "simulated run of web: crashed, as its command 'simulate/crash' asks",
            "simulated run of web: exit code 1",
        ]

    @pytest.mark.looptime
    async def test_a_followed_log_goes_on_until_its_version_is_replaced(self) -> None:
        loop = asyncio.get_running_loop()
        runner = SimulatedRunner(SECONDS, lambda: NOON + timedelta(seconds=loop.time()))
        await runner.apply(request_of(TOOL, self.wanted()), None)
        lines = runner.log(TOOL, "web", follow=True)
        assert await anext(lines) == "simulated run of web: started"
        assert await anext(lines) == "simulated run of web: up, and nothing runs"
        assert loop.time() == SECONDS
        await runner.apply(request_of(TOOL, self.wanted("two"), 2), None)
        assert [line async for line in lines] == []

    async def test_another_process_knows_nothing_of_it(
        self, runner: Runner, clock: HandClock
    ) -> None:
        await self.up(runner, request_of(TOOL, self.wanted()))
        assert await SimulatedRunner(SECONDS, clock).list(TOOL) == {}

    async def test_it_remembers_so_many_components_and_no_more(self, runner: Runner) -> None:
        for number in range(COMPONENTS_KEPT + 1):
            await runner.apply(request_of(f"tool-{number}", self.wanted()), None)
        assert await runner.list("tool-0") == {}
        assert (await runner.list("tool-1")).keys() == {"web"}
        with pytest.raises(NothingRuns):
            await runner.restart("tool-0", "web")

    async def test_its_time_is_a_setting(
        self, monkeypatch: pytest.MonkeyPatch, clock: HandClock
    ) -> None:
        monkeypatch.setenv("SIMULATED_RUN_SECONDS", "0")
        runner = SimulatedRunner.from_env(Env())
        await runner.apply(request_of(TOOL, self.wanted()), None)
        assert (await runner.list(TOOL))["web"].health is Health.HEALTHY
        monkeypatch.setenv("SIMULATED_RUN_SECONDS", "-1")
        with pytest.raises(EnvError):
            SimulatedRunner.from_env(Env())
