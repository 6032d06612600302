"""What every builder does. A builder's tests subclass this and say how to make one."""

import asyncio

import pytest

from backends.builders.base import Builder, BuildNotFound, BuildRequest, BuildState, BuildStatus
from tests.factories import TOOL, build_request

UNKNOWN = "no-such-build"


class BuilderContract:
    """The behaviour of a builder, one test for each; `builder` is a fixture."""

    @pytest.fixture
    async def builder(self) -> Builder:
        raise NotImplementedError

    @pytest.fixture
    def request_(self) -> BuildRequest:
        """A request that the builder can carry out."""
        return build_request()

    async def until_final(self, builder: Builder, build_id: str) -> BuildState:
        """Return the state of a build once it has ended, waiting as this builder allows."""
        raise NotImplementedError

    async def test_a_started_build_can_be_asked_for(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        started = await builder.start(request_)
        states = await builder.get(TOOL, [started.id])
        assert states.keys() == {started.id}
        state = states[started.id]
        assert state is None or state.id == started.id

    async def test_a_build_ends_with_an_image_and_its_times(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        started = await builder.start(request_)
        ended = await self.until_final(builder, started.id)
        assert ended.status is BuildStatus.FINISHED
        assert ended.image
        assert ended.started is not None
        assert ended.ended is not None
        assert ended.started <= ended.ended

    async def test_starting_twice_with_one_key_gives_one_build(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        first, second = await asyncio.gather(builder.start(request_), builder.start(request_))
        third = await builder.start(request_)
        assert first.id == second.id == third.id

    async def test_another_key_gives_another_build(self, builder: Builder) -> None:
        first = await builder.start(build_request(key="one"))
        second = await builder.start(build_request(key="two"))
        assert first.id != second.id

    async def test_a_hundred_builds_at_once_are_a_hundred_builds(self, builder: Builder) -> None:
        states = await asyncio.gather(
            *(builder.start(build_request(f"c{n}", key=f"k{n}")) for n in range(100))
        )
        ids = {state.id for state in states}
        assert len(ids) == 100
        assert (await builder.get(TOOL, ids)).keys() == ids

    async def test_asking_for_nothing_gives_nothing(self, builder: Builder) -> None:
        assert await builder.get(TOOL, []) == {}

    async def test_a_build_that_the_builder_does_not_know_is_an_error(
        self, builder: Builder
    ) -> None:
        state = (await builder.get(TOOL, [UNKNOWN]))[UNKNOWN]
        assert state is not None
        assert state.status is BuildStatus.ERROR
        assert state.message

    async def test_a_cancelled_build_comes_to_an_end(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        started = await builder.start(request_)
        await builder.cancel(TOOL, started.id)
        assert (await self.until_final(builder, started.id)).status.is_final

    async def test_cancelling_again_or_what_has_ended_or_is_unknown_does_nothing(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        started = await builder.start(request_)
        ended = await self.until_final(builder, started.id)
        await builder.cancel(TOOL, started.id)
        await builder.cancel(TOOL, started.id)
        await builder.cancel(TOOL, UNKNOWN)
        assert (await builder.get(TOOL, [started.id]))[started.id] == ended

    async def test_the_log_of_a_build_that_has_ended_has_lines(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        started = await builder.start(request_)
        await self.until_final(builder, started.id)
        lines = [line async for line in builder.log(TOOL, started.id, follow=True)]
        assert lines
        assert not any("\n" in line for line in lines)

    async def test_the_log_of_an_unknown_build_is_not_found(self, builder: Builder) -> None:
        with pytest.raises(BuildNotFound):
            await anext(builder.log(TOOL, UNKNOWN))

    async def test_it_answers(self, builder: Builder) -> None:
        await builder.ping()

    async def test_it_can_be_closed_with_builds_in_flight(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        await builder.start(request_)
        await builder.close()
