"""The contract of builders without idempotency keys: `Builder.knows_keys` is False."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backends.builders.base import Builder, BuilderUnavailable
from tests.builders.contract import BackedBuilderContract
from tests.conftest import NOON


class KeylessBuilderContract(BackedBuilderContract):
    """The behaviour of builders that find a build by its source and start time."""

    async def lose_responses(self, builder: Builder) -> None:
        """Make the backend execute calls but lose its responses.

        This applies from the next call until `respond_again`.
        """
        raise NotImplementedError

    async def respond_again(self, builder: Builder) -> None:
        """Make the backend respond again."""
        raise NotImplementedError

    async def start_and_lose_response(self, builder: Builder) -> None:
        """Start the default build, and lose the response."""
        await self.lose_responses(builder)
        with pytest.raises(BuilderUnavailable) as caught:
            await builder.start(replace(self.request_for(), repeated=False))
        assert caught.value.maybe_started
        await self.respond_again(builder)

    async def test_the_builder_declares_no_keys_and_a_settling_time(self, builder: Builder) -> None:
        assert not builder.knows_keys
        assert builder.settling > timedelta()

    async def test_a_start_with_a_lost_response_is_found(self, builder: Builder) -> None:
        await self.start_and_lose_response(builder)
        assert await builder.find(self.request_for()) is not None

    async def test_a_start_with_a_lost_response_is_not_repeated(self, builder: Builder) -> None:
        await self.start_and_lose_response(builder)
        first = await builder.find(self.request_for())
        second = await builder.start(self.request_for())
        assert first is not None
        assert first.id == second.id

    async def test_a_build_in_taken_is_not_found(self, builder: Builder) -> None:
        taken = frozenset({(await builder.start(self.request_for())).id})
        assert await builder.find(replace(self.request_for(), taken=taken)) is None

    async def test_a_start_does_not_return_a_build_in_taken(self, builder: Builder) -> None:
        first = await builder.start(self.request_for())
        second = await builder.start(replace(self.request_for(), taken=frozenset({first.id})))
        assert first.id != second.id

    async def test_a_build_from_after_the_settling_time_is_not_found(
        self, builder: Builder
    ) -> None:
        await builder.start(self.request_for())
        assert await builder.find(replace(self.request_for(), last_attempt=NOON)) is None

    async def test_a_build_from_before_the_first_attempt_is_not_found(
        self, builder: Builder
    ) -> None:
        await builder.start(self.request_for())
        later = datetime.now(UTC) + timedelta(minutes=1)
        assert await builder.find(replace(self.request_for(), first_attempt=later)) is None
