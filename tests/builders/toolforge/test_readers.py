"""Readers of logs block nothing: neither while they read, nor after they have left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import pytest

from backends.builders.base import BuilderUnavailable
from backends.builders.toolforge import ToolforgeBuilder
from backends.toolforge.api import MAX_LOGS, MAX_LOGS_OF_TOOL
from tests.builders.toolforge.builds_service import Build, BuildsService
from tests.conftest import NOON
from tests.factories import TOOL, build_request


@pytest.fixture
def service() -> BuildsService:
    """A service where many tools each have a running build."""
    service = BuildsService()
    service.builds = [
        Build(name, name, {}, "BUILD_RUNNING", NOON, None, lines=["cloning"])
        for name in (TOOL, *(f"tool-{number}" for number in range(MAX_LOGS // MAX_LOGS_OF_TOOL)))
    ]
    return service


async def followed(builder: ToolforgeBuilder, stack: AsyncExitStack, tool: str) -> None:
    """Read the first line of a log, and keep it open until the stack is closed."""
    lines = builder.log(tool, tool, follow=True)
    assert isinstance(lines, AsyncIterator)
    await stack.enter_async_context(aclosing(lines))  # type: ignore[type-var]
    assert await anext(lines) == "cloning"


async def test_log_readers_do_not_block_starts(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MAX_LOGS_OF_TOOL):
            await followed(builder, stack, TOOL)
        async with asyncio.timeout(5):
            await builder.start(replace(build_request(), repeated=False))
            await builder.ping()


async def test_a_reader_beyond_the_limit_of_a_tool_is_rejected_and_other_tools_read(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MAX_LOGS_OF_TOOL):
            await followed(builder, stack, TOOL)
        with pytest.raises(BuilderUnavailable, match="20 logs of this tool are already being read"):
            await followed(builder, stack, TOOL)
        await followed(builder, stack, "tool-0")


async def test_the_number_of_readers_of_all_tools_is_limited(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    async with AsyncExitStack() as stack:
        for number in range(MAX_LOGS):
            await followed(builder, stack, f"tool-{number // MAX_LOGS_OF_TOOL}")
        with pytest.raises(BuilderUnavailable, match="200 logs are already being read"):
            await followed(builder, stack, TOOL)


async def test_a_reader_that_stops_closes_its_connection(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    async with AsyncExitStack() as stack:
        await followed(builder, stack, TOOL)
        await service.wait_for_readers(1)
    async with asyncio.timeout(5):
        await service.wait_for_readers(0)


async def test_a_cancelled_reader_closes_its_connection(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    async def read() -> None:
        async for _ in builder.log(TOOL, TOOL, follow=True):
            pass

    reading = asyncio.create_task(read())
    await service.wait_for_readers(1)
    reading.cancel()
    async with asyncio.timeout(5):
        await service.wait_for_readers(0)


async def test_closed_readers_release_their_slots(
    builder: ToolforgeBuilder, service: BuildsService
) -> None:
    for _ in range(2):
        async with AsyncExitStack() as stack:
            for _ in range(MAX_LOGS_OF_TOOL):
                await followed(builder, stack, TOOL)
