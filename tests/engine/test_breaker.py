"""A builder that does not answer is asked by one at a time."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from backends.builders.base import BuilderUnavailable, BuildRejected
from components.engine.breaker import FAILURE_THRESHOLD, MAX_PROBES, Breaker, CircuitOpen

pytestmark = pytest.mark.looptime


async def silence(breaker: Breaker, tool: str) -> None:
    """Let a builder leave as many questions without an answer as it takes."""
    for _ in range(FAILURE_THRESHOLD):
        with suppress(TimeoutError):
            async with breaker.guard(tool, 1):
                await asyncio.Event().wait()


async def test_a_builder_that_does_not_answer_is_asked_by_one_until_it_does() -> None:
    breaker = Breaker()
    await silence(breaker, "bad")
    assert breaker.allows("bad")
    async with breaker.guard("bad", 1):
        assert not breaker.allows("bad")
        assert breaker.allows("good")
        with pytest.raises(CircuitOpen):
            async with breaker.guard("bad", 1):
                raise AssertionError
    async with breaker.guard("bad", 1), breaker.guard("bad", 1):
        assert breaker.allows("bad")


async def test_of_all_tools_for_which_it_does_not_answer_few_are_asked_for_at_a_time() -> None:
    breaker = Breaker()
    tools = [f"bad-{number}" for number in range(MAX_PROBES + 1)]
    for tool in tools:
        await silence(breaker, tool)
    async with AsyncExitStack() as stack:
        for tool in tools[:MAX_PROBES]:
            await stack.enter_async_context(breaker.guard(tool, 1))
        assert not breaker.allows(tools[MAX_PROBES])
        assert breaker.allows("good")
    assert breaker.allows(tools[MAX_PROBES])


@pytest.mark.parametrize("error", [BuildRejected("no"), BuilderUnavailable("away")])
async def test_a_builder_that_says_something_at_once_is_asked_by_all(error: Exception) -> None:
    breaker = Breaker()
    for _ in range(2 * FAILURE_THRESHOLD):
        with suppress(type(error)):
            async with breaker.guard("tool", 1):
                raise error
    async with breaker.guard("tool", 1), breaker.guard("tool", 1):
        assert breaker.allows("tool")


async def test_whoever_breaks_a_question_off_leaves_the_place_to_others() -> None:
    breaker = Breaker()
    await silence(breaker, "bad")
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5), breaker.guard("bad", 30):
            await asyncio.Event().wait()
    assert breaker.allows("bad")
