"""A fake API server, and connections to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from backends.kube.connection import KubeConnection
from tests.kube.fake_api_server import FakeApiServer, write_kubeconfig

Connect: TypeAlias = Callable[..., Awaitable[KubeConnection]]


@pytest.fixture
def server() -> FakeApiServer:
    return FakeApiServer()


@pytest.fixture
async def connect(
    server: FakeApiServer, aiohttp_server: AiohttpServer, tmp_path: Path
) -> AsyncIterator[Connect]:
    """Connect to the fake server as a user of a kubeconfig; all are closed at the end."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    url = (await aiohttp_server(app)).make_url("")
    opened: list[KubeConnection] = []

    async def one(**user: Any) -> KubeConnection:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", url, user or {"token": "good"})
        connection = KubeConnection(kubeconfig)
        await connection.open()
        opened.append(connection)
        return connection

    yield one
    for each in opened:
        await each.close()


@pytest.fixture
async def connection(connect: Connect) -> KubeConnection:
    return await connect()
