"""The toolforge runner and a fake jobs service that follows the interface."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest
from aiohttp.test_utils import TestServer
from pytest_aiohttp.plugin import AiohttpServer
from yarl import URL

from backends.runners.toolforge import ToolforgeRunner
from tests.builders.toolforge.interface import Interface
from tests.conftest import HandClock
from tests.runners.toolforge.interface import jobs_interface
from tests.runners.toolforge.jobs_service import JobsService

Connect: TypeAlias = Callable[[URL], Awaitable[ToolforgeRunner]]


@pytest.fixture
def interface() -> Interface:
    return jobs_interface()


@pytest.fixture
def service(clock: HandClock) -> JobsService:
    return JobsService(clock)


@pytest.fixture
async def connect(clock: HandClock) -> AsyncIterator[Connect]:
    """Return a runner that uses the gateway at a URL; all are closed at the end."""
    runners = []

    async def opened(gateway: URL) -> ToolforgeRunner:
        runners.append(ToolforgeRunner(gateway / "jobs", within=1, clock=clock))
        await runners[-1].open()
        return runners[-1]

    yield opened
    for runner in runners:
        await runner.close()


@pytest.fixture
async def server(
    aiohttp_server: AiohttpServer, interface: Interface, service: JobsService
) -> AsyncIterator[TestServer]:
    """Serve the service; all traffic is validated."""
    app = service.app()
    app.middlewares.append(interface.middleware)
    yield await aiohttp_server(app)
    assert interface.violations == []


@pytest.fixture
async def runner(server: TestServer, connect: Connect) -> ToolforgeRunner:
    return await connect(server.make_url("/"))
