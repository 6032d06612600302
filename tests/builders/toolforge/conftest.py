"""The toolforge builder and a fake builds service that follows the interface."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest
from aiohttp.test_utils import TestServer
from pytest_aiohttp.plugin import AiohttpServer
from yarl import URL

from backends.builders.toolforge import ToolforgeBuilder
from tests.builders.toolforge.builds_service import BuildsService
from tests.builders.toolforge.interface import Interface

Connect: TypeAlias = Callable[[URL], Awaitable[ToolforgeBuilder]]
Serve: TypeAlias = Callable[[BuildsService], Awaitable[ToolforgeBuilder]]


@pytest.fixture
def interface() -> Interface:
    return Interface()


@pytest.fixture
def servers() -> list[TestServer]:
    return []


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Return a builder that uses the gateway at a URL; all are closed at the end."""
    builders = []

    async def opened(service: URL) -> ToolforgeBuilder:
        builder = ToolforgeBuilder(service / "builds", within=1)
        builders.append(builder)
        await builder.open()
        return builder

    yield opened
    for builder in builders:
        await builder.close()


@pytest.fixture
async def serve(
    aiohttp_server: AiohttpServer,
    interface: Interface,
    servers: list[TestServer],
    connect: Connect,
) -> AsyncIterator[Serve]:
    """Start a service and return a builder that uses it; all traffic is validated."""

    async def start(service: BuildsService) -> ToolforgeBuilder:
        app = service.app()
        app.middlewares.append(interface.middleware)
        servers.append(await aiohttp_server(app))
        return await connect(servers[-1].make_url("/"))

    yield start
    assert interface.violations == []


@pytest.fixture
def service() -> BuildsService:
    return BuildsService()


@pytest.fixture
async def builder(serve: Serve, service: BuildsService) -> ToolforgeBuilder:
    return await serve(service)


@pytest.fixture
async def another(
    builder: ToolforgeBuilder, connect: Connect, servers: list[TestServer]
) -> ToolforgeBuilder:
    """A second builder, like in another process."""
    return await connect(servers[0].make_url("/"))
