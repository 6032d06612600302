"""A circuit breaker for a builder that does not respond."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from backends.builders.base import BuilderUnavailable, BuildRejected
from components.engine.breaker import FAILURE_THRESHOLD, MAX_PROBES, Breaker, CircuitOpen

pytestmark = pytest.mark.looptime


async def open_circuit(breaker: Breaker, tool: str) -> None:
    """Let so many calls time out that the circuit opens."""
    for _ in range(FAILURE_THRESHOLD):
        with suppress(TimeoutError):
            async with breaker.guard(tool, 1):
                await asyncio.Event().wait()


async def test_an_open_circuit_lets_one_probe_through_until_the_builder_responds() -> None:
    breaker = Breaker()
    await open_circuit(breaker, "bad")
    assert breaker.allows("bad")
    async with breaker.guard("bad", 1):
        assert not breaker.allows("bad")
        assert breaker.allows("good")
        with pytest.raises(CircuitOpen):
            async with breaker.guard("bad", 1):
                raise AssertionError
    async with breaker.guard("bad", 1), breaker.guard("bad", 1):
        assert breaker.allows("bad")


async def test_the_number_of_concurrent_probes_of_all_tools_is_limited() -> None:
    breaker = Breaker()
    tools = [f"bad-{number}" for number in range(MAX_PROBES + 1)]
    for tool in tools:
        await open_circuit(breaker, tool)
    async with AsyncExitStack() as stack:
        for tool in tools[:MAX_PROBES]:
            await stack.enter_async_context(breaker.guard(tool, 1))
        assert not breaker.allows(tools[MAX_PROBES])
        assert breaker.allows("good")
    assert breaker.allows(tools[MAX_PROBES])


@pytest.mark.parametrize("error", [BuildRejected("no"), BuilderUnavailable("away")])
async def test_a_fast_error_does_not_open_the_circuit(error: Exception) -> None:
    breaker = Breaker()
    for _ in range(2 * FAILURE_THRESHOLD):
        with suppress(type(error)):
            async with breaker.guard("tool", 1):
                raise error
    async with breaker.guard("tool", 1), breaker.guard("tool", 1):
        assert breaker.allows("tool")


async def test_a_cancelled_probe_lets_another_one_through() -> None:
    breaker = Breaker()
    await open_circuit(breaker, "bad")
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5), breaker.guard("bad", 30):
            await asyncio.Event().wait()
    assert breaker.allows("bad")
