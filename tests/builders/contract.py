"""The contract of all builders. A builder's tests subclass it and provide the fixtures.

`BuilderContract` is for all builders. `BackedBuilderContract` is for those with a backend that has
limits, can reject and lose builds, and can be unavailable. The contract of builders without
idempotency keys is in `tests.builders.keyless_contract`.
"""

import asyncio
from dataclasses import replace

import pytest

from backends.builders.base import (
    Builder,
    BuilderUnavailable,
    BuildNotFound,
    BuildRejected,
    BuildRequest,
    BuildState,
    BuildStatus,
    NoFreeSlot,
)
from tests.conftest import NOON
from tests.factories import TOOL, build_request

UNKNOWN = "no-such-build"


class BuilderContract:
    """The behaviour of a builder; `builder` is a fixture."""

    @pytest.fixture
    async def builder(self) -> Builder:
        raise NotImplementedError

    def request_for(self, component: str = "web", key: str = "one") -> BuildRequest:
        """Return a request that the builder can execute."""
        return build_request(component, key)

    @pytest.fixture
    def request_(self) -> BuildRequest:
        return self.request_for()

    async def until_final(self, builder: Builder, build_id: str) -> BuildState:
        """Return the state of a build once it has ended, waiting as this builder allows."""
        raise NotImplementedError

    async def test_a_started_build_has_a_state(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        started = await builder.start(request_)
        states = await builder.get(TOOL, [started.id])
        assert states.keys() == {started.id}
        state = states[started.id]
        assert state is None or state.id == started.id

    async def test_a_finished_build_has_an_image_and_consistent_times(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        started = await builder.start(request_)
        ended = await self.until_final(builder, started.id)
        assert ended.status is BuildStatus.FINISHED
        assert ended.image
        # The times are those of the backend.
        if ended.started and ended.ended:
            assert ended.started <= ended.ended

    async def test_two_starts_with_one_key_create_one_build(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        first, second = await asyncio.gather(builder.start(request_), builder.start(request_))
        third = await builder.start(request_)
        assert first.id == second.id == third.id

    async def test_another_key_creates_another_build(self, builder: Builder) -> None:
        first = await builder.start(self.request_for(key="one"))
        second = await builder.start(self.request_for(key="two"))
        assert first.id != second.id

    async def test_a_hundred_concurrent_starts_create_a_hundred_builds(
        self, builder: Builder
    ) -> None:
        states = await asyncio.gather(
            *(builder.start(self.request_for(f"c{n}", f"k{n}")) for n in range(100))
        )
        ids = {state.id for state in states}
        assert len(ids) == 100
        assert (await builder.get(TOOL, ids)).keys() == ids

    async def test_get_without_ids_returns_nothing(self, builder: Builder) -> None:
        assert await builder.get(TOOL, []) == {}

    async def test_an_unknown_build_is_lost(self, builder: Builder) -> None:
        state = (await builder.get(TOOL, [UNKNOWN]))[UNKNOWN]
        assert state is not None
        assert state.status is BuildStatus.ERROR
        assert state.lost
        assert state.message

    async def test_a_known_build_is_not_lost(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        started = await builder.start(request_)
        assert not started.lost
        assert not (await self.until_final(builder, started.id)).lost

    async def test_a_cancelled_build_ends(self, builder: Builder, request_: BuildRequest) -> None:
        started = await builder.start(request_)
        await builder.cancel(TOOL, started.id)
        assert (await self.until_final(builder, started.id)).status.is_final

    async def test_cancelling_an_ended_or_unknown_build_does_nothing(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        started = await builder.start(request_)
        ended = await self.until_final(builder, started.id)
        await builder.cancel(TOOL, started.id)
        await builder.cancel(TOOL, started.id)
        await builder.cancel(TOOL, UNKNOWN)
        assert (await builder.get(TOOL, [started.id]))[started.id] == ended

    async def test_the_log_of_an_ended_build_has_lines(
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

    async def test_a_commit_resolves_to_itself_or_none(self, builder: Builder) -> None:
        commit = "0123456789abcdef0123456789abcdef01234567"
        assert await builder.resolve(TOOL, build_request(ref=commit).source) in (None, commit)

    async def test_an_image_that_was_never_built_is_not_reported_as_existing(
        self, builder: Builder
    ) -> None:
        assert not await builder.has_image(TOOL, "nowhere.invalid/mytool/web:1")

    async def test_ping_succeeds(self, builder: Builder) -> None:
        await builder.ping()

    async def test_the_builder_can_be_closed_during_builds(
        self, builder: Builder, request_: BuildRequest
    ) -> None:
        await builder.start(request_)
        await builder.close()


class BackedBuilderContract(BuilderContract):
    """The behaviour of a builder with a backend. `builder` has a hundred slots."""

    @pytest.fixture
    async def narrow(self) -> Builder:
        """Return a builder with one slot per tool."""
        raise NotImplementedError

    def bad_request(self) -> BuildRequest:
        """Return a request that the backend will always reject."""
        raise NotImplementedError

    async def running(self, builder: Builder) -> str:
        """Start a build, wait until it runs and has log lines; return its id.

        It only ends when it is cancelled.
        """
        raise NotImplementedError

    async def lose(self, builder: Builder, build_id: str) -> None:
        """Make the backend lose a build."""
        raise NotImplementedError

    async def cut_off(self, builder: Builder) -> None:
        """Make the backend unavailable from now on."""
        raise NotImplementedError

    async def test_a_full_builder_has_no_free_slot(self, narrow: Builder) -> None:
        await self.running(narrow)
        with pytest.raises(NoFreeSlot) as caught:
            await narrow.start(self.request_for("another", "another"))
        assert not caught.value.maybe_started

    async def test_a_full_builder_finds_a_build_that_already_has_a_slot(
        self, narrow: Builder
    ) -> None:
        first = await narrow.start(self.request_for())
        assert (await narrow.start(self.request_for())).id == first.id

    async def test_an_ended_build_releases_its_slot(self, narrow: Builder) -> None:
        first = await self.running(narrow)
        await narrow.cancel(TOOL, first)
        await self.until_final(narrow, first)
        second = await narrow.start(self.request_for("another", "another"))
        assert second.id != first

    async def test_a_started_build_is_found(self, builder: Builder) -> None:
        started = await builder.start(self.request_for())
        found = await builder.find(self.request_for())
        assert found is not None
        assert found.id == started.id

    async def test_find_neither_finds_nor_starts_a_build_that_was_never_started(
        self, builder: Builder
    ) -> None:
        assert await builder.find(self.request_for("never", "never")) is None
        assert await builder.find(self.request_for("never", "never")) is None

    async def test_a_builder_with_keys_finds_a_build_by_its_key_alone(
        self, builder: Builder
    ) -> None:
        if not builder.knows_keys:
            pytest.skip("it knows no keys")
        started = await builder.start(self.request_for())
        other = replace(self.request_for(), taken=frozenset({started.id}), last_attempt=NOON)
        found = await builder.find(other)
        assert found is not None
        assert found.id == started.id

    async def test_an_invalid_request_is_rejected(self, builder: Builder) -> None:
        with pytest.raises(BuildRejected) as caught:
            await builder.start(self.bad_request())
        assert str(caught.value)
        assert not caught.value.maybe_started

    async def test_a_rejected_request_takes_no_slot(self, narrow: Builder) -> None:
        with pytest.raises(BuildRejected):
            await narrow.start(self.bad_request())
        await narrow.start(self.request_for())

    async def test_a_cancelled_running_build_is_cancelled(self, builder: Builder) -> None:
        build_id = await self.running(builder)
        await builder.cancel(TOOL, build_id)
        state = await self.until_final(builder, build_id)
        assert state.status is BuildStatus.CANCELLED

    async def test_a_build_of_another_tool_is_unknown(self, builder: Builder) -> None:
        build_id = await self.running(builder)
        await builder.cancel("another-tool", build_id)
        state = (await builder.get("another-tool", [build_id]))[build_id]
        assert state is not None
        assert state.status is BuildStatus.ERROR
        with pytest.raises(BuildNotFound):
            await anext(builder.log("another-tool", build_id))
        own = (await builder.get(TOOL, [build_id]))[build_id]
        assert own is not None
        assert not own.status.is_final

    async def test_the_log_of_a_running_build_has_the_lines_so_far(self, builder: Builder) -> None:
        build_id = await self.running(builder)
        assert [line async for line in builder.log(TOOL, build_id)]

    async def test_a_followed_log_ends_with_its_build(self, builder: Builder) -> None:
        build_id = await self.running(builder)
        lines = builder.log(TOOL, build_id, follow=True)
        assert await anext(lines)
        await builder.cancel(TOOL, build_id)
        async with asyncio.timeout(20):
            async for _ in lines:
                pass
        assert (await self.until_final(builder, build_id)).status is BuildStatus.CANCELLED

    async def test_a_build_lost_by_the_backend_is_an_error(self, builder: Builder) -> None:
        build_id = await self.running(builder)
        await self.lose(builder, build_id)
        state = (await builder.get(TOOL, [build_id]))[build_id]
        assert state is not None
        assert state.status is BuildStatus.ERROR
        assert state.lost
        assert state.message

    async def test_the_log_of_a_lost_build_is_not_found(self, builder: Builder) -> None:
        build_id = await self.running(builder)
        await self.lose(builder, build_id)
        with pytest.raises(BuildNotFound):
            await anext(builder.log(TOOL, build_id))

    async def test_without_its_backend_a_builder_is_unavailable(self, builder: Builder) -> None:
        await self.cut_off(builder)
        with pytest.raises(BuilderUnavailable):
            await builder.start(self.request_for())
        with pytest.raises(BuilderUnavailable):
            await builder.ping()
