"""The simulated builder fulfils the contract of all builders."""

import asyncio
from datetime import timedelta

import pytest

from backends.builders.base import Builder, BuildState, BuildStatus
from backends.builders.simulated import FAILING_REF, MAX_CANCELLED, SimulatedBuilder
from tests.builders.contract import BuilderContract
from tests.conftest import NOON, HandClock
from tests.factories import TOOL, build_request


class TestSimulatedBuilder(BuilderContract):
    @pytest.fixture
    async def builder(self, clock: HandClock) -> Builder:
        self.clock = clock
        return SimulatedBuilder(2, clock)

    async def until_final(self, builder: Builder, build_id: str) -> BuildState:
        self.clock.turn(2)
        state = (await builder.get(TOOL, [build_id]))[build_id]
        assert state is not None
        return state

    @pytest.mark.parametrize(
        ("seconds", "status"),
        [
            (0, BuildStatus.PENDING),
            (0.5, BuildStatus.RUNNING),
            (1.9, BuildStatus.RUNNING),
            (2, BuildStatus.FINISHED),
        ],
    )
    async def test_progress_follows_from_the_clock(
        self, builder: Builder, clock: HandClock, seconds: float, status: BuildStatus
    ) -> None:
        started = await builder.start(build_request())
        clock.turn(seconds)
        state = (await builder.get(TOOL, [started.id]))[started.id]
        assert state is not None
        assert state.status is status

    async def test_another_process_reports_a_build(
        self, builder: Builder, clock: HandClock
    ) -> None:
        started = await builder.start(build_request())
        clock.turn(2)
        other = SimulatedBuilder(2, clock)
        assert await other.get(TOOL, [started.id]) == await builder.get(TOOL, [started.id])

    async def test_a_build_starts_with_its_first_attempt(self, clock: HandClock) -> None:
        clock.turn(2)
        state = await SimulatedBuilder(2, clock).start(build_request())
        assert state.status is BuildStatus.FINISHED
        assert state.started == NOON
        assert state.ended == NOON + timedelta(seconds=2)

    async def test_the_log_of_a_running_build_has_its_start(self, builder: Builder) -> None:
        started = await builder.start(build_request())
        lines = [line async for line in builder.log(TOOL, started.id)]
        assert lines == ["simulated build of web: started"]

    @pytest.mark.looptime
    async def test_a_followed_log_ends_with_the_build(self) -> None:
        loop = asyncio.get_running_loop()
        builder = SimulatedBuilder(2, lambda: NOON + timedelta(seconds=loop.time()))
        started = await builder.start(build_request())
        lines = [line async for line in builder.log(TOOL, started.id, follow=True)]
        assert loop.time() == 2
        assert len(lines) == 2

    async def test_the_same_source_is_always_the_same_commit(self, builder: Builder) -> None:
        main, other = (build_request(ref=each).source for each in ("main", "other"))
        commit = await builder.resolve(TOOL, main)
        assert commit == await builder.resolve(TOOL, main)
        assert commit != await builder.resolve(TOOL, other)
        assert await builder.resolve(TOOL, build_request(ref=commit).source) == commit

    @pytest.mark.parametrize(
        "build_id", ["web-x-1", "web", "", "web-99999999999999999999999-a", "web-1-a.b"]
    )
    async def test_an_id_in_another_format_is_unknown(
        self, builder: Builder, build_id: str
    ) -> None:
        state = (await builder.get(TOOL, [build_id]))[build_id]
        assert state is not None
        assert state.status is BuildStatus.ERROR

    async def test_a_cancelled_build_stays_cancelled(
        self, builder: Builder, clock: HandClock
    ) -> None:
        started = await builder.start(build_request())
        clock.turn(1)
        await builder.cancel(TOOL, started.id)
        cancelled = (await builder.get(TOOL, [started.id]))[started.id]
        assert cancelled is not None
        assert cancelled.status is BuildStatus.CANCELLED
        assert cancelled.ended == NOON + timedelta(seconds=1)
        clock.turn(10)
        assert (await builder.get(TOOL, [started.id]))[started.id] == cancelled
        lines = [line async for line in builder.log(TOOL, started.id)]
        assert lines[-1] == "simulated build of web: cancelled"

    @pytest.mark.looptime
    async def test_a_followed_log_ends_when_its_build_is_cancelled(self) -> None:
        loop = asyncio.get_running_loop()
        builder = SimulatedBuilder(60, lambda: NOON + timedelta(seconds=loop.time()))
        started = await builder.start(build_request())
        lines = builder.log(TOOL, started.id, follow=True)
        await anext(lines)
        await builder.cancel(TOOL, started.id)
        assert [line async for line in lines] == ["simulated build of web: cancelled"]
        assert loop.time() < 1

    async def test_another_tool_cannot_cancel_a_build(self, builder: Builder) -> None:
        started = await builder.start(build_request())
        await builder.cancel("another-tool", started.id)
        assert (await self.until_final(builder, started.id)).status is BuildStatus.FINISHED

    async def test_a_process_without_the_cancellation_reports_by_the_clock(
        self, builder: Builder, clock: HandClock
    ) -> None:
        started = await builder.start(build_request())
        await builder.cancel(TOOL, started.id)
        other = (await SimulatedBuilder(2, clock).get(TOOL, [started.id]))[started.id]
        assert other is not None
        assert other.status is BuildStatus.PENDING

    async def test_the_number_of_remembered_cancellations_is_limited(
        self, builder: Builder
    ) -> None:
        first = await builder.start(build_request())
        await builder.cancel(TOOL, first.id)
        for number in range(MAX_CANCELLED):
            other = await builder.start(build_request(key=str(number)))
            await builder.cancel(TOOL, other.id)
        states = await builder.get(TOOL, [first.id, other.id])
        assert [each.status for each in states.values() if each] == [
            BuildStatus.PENDING,
            BuildStatus.CANCELLED,
        ]

    async def test_a_build_of_the_failing_ref_fails(self, builder: Builder) -> None:
        request = build_request(ref=FAILING_REF)
        # A commit would be built instead of the ref.
        assert await builder.resolve(TOOL, request.source) is None
        started = await builder.start(request)
        ended = await self.until_final(builder, started.id)
        assert ended.status is BuildStatus.ERROR
        assert ended.message == "failed, as requested by its ref 'simulate/error'"
        lines = [line async for line in builder.log(TOOL, started.id)]
        assert lines[-1] == f"simulated build of web: {ended.message}"
