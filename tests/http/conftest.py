"""Fixtures: the service over real HTTP, with a store and a builder that tests control."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from backends.builders.base import Builder
from backends.stores.memory import MemoryStore
from components.http.app import create_app
from components.http.server.listener import Listener
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.factories import TOOL
from tests.http.server.tls_files import Files
from tests.stores.counting import CountingStore

Client: TypeAlias = TestClient[web.Request, web.Application]
Serve: TypeAlias = Callable[..., Awaitable[Client]]

Listen: TypeAlias = Callable[..., Awaitable[tuple[Listener, str]]]

HEADER = "ssl-client-subject-dn"
SUBJECT = {HEADER: f"CN={TOOL},O=toolforge"}
CONFIG = f"/api/v1/tool/{TOOL}/config"
DEPLOY = f"/api/v1/tool/{TOOL}/deploy"


@pytest.fixture
def serve(aiohttp_client: AiohttpClient, store: CountingStore, builder: ScriptedBuilder) -> Serve:
    """Start the service; keyword arguments are settings; all requests have `headers`."""

    async def start(
        headers: dict[str, str] | None = None,
        using: Builder | None = None,
        app: web.Application | None = None,
        **settings: Any,
    ) -> Client:
        app = app or create_app(Settings(**settings), store, using or builder)
        return await aiohttp_client(app, headers=SUBJECT if headers is None else headers)

    return start


@pytest.fixture
async def client(serve: Serve) -> Client:
    """The service with default settings, and a client with the tool's subject."""
    return await serve()


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Serve the default or a given application; return the listener and its URL."""
    async with AsyncExitStack() as stack:

        async def start(
            settings: Settings, app: web.Application | None = None
        ) -> tuple[Listener, str]:
            app = app or create_app(settings, MemoryStore(), ScriptedBuilder())
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            listener = Listener(runner, settings)
            stack.push_async_callback(listener.stop)
            return listener, await listener.start()

        yield start


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def data_of(response: ClientResponse, status: int = 200) -> Any:
    """Check the envelope of a successful response, and return its data."""
    body = await response.json()
    assert response.status == status, body
    assert body.keys() == {"data", "messages"}
    assert body["messages"].keys() == {"info", "warning", "error"}
    return body["data"]


async def errors_of(response: ClientResponse, status: int) -> list[str]:
    """Check the envelope of an error response, and return its messages."""
    body = await response.json()
    assert response.status == status, body
    assert body["data"] is None
    assert body["messages"]["error"]
    errors: list[str] = body["messages"]["error"]
    return errors


async def warnings(response: ClientResponse) -> list[str]:
    """Return the warnings of a response."""
    found: list[str] = (await response.json())["messages"]["warning"]
    return found
