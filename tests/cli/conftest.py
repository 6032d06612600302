"""The command line against the service over real HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result
from pytest_aiohttp.plugin import AiohttpServer

from components.cli.program import program
from components.http.app import create_app
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.factories import TOOL
from tests.stores.counting import CountingStore

Run: TypeAlias = Callable[..., Awaitable[Result]]


@pytest.fixture
async def url(aiohttp_server: AiohttpServer, store: CountingStore, builder: ScriptedBuilder) -> str:
    """Return the URL of the service."""
    server = await aiohttp_server(create_app(Settings(source_private=True), store, builder))
    return str(server.make_url("/"))


@pytest.fixture
def run(url: str) -> Run:
    """Run a command as a user would, with the service and the tool in the environment."""

    async def command(*arguments: str, stdin: str | None = None, **env: str) -> Result:
        environ = {"COMPONENTS_URL": url, "COMPONENTS_TOOL": TOOL, **env}
        runner = CliRunner(env=environ)
        # In a thread, because a command has its own event loop.
        return await asyncio.to_thread(runner.invoke, program, arguments, input=stdin)

    return command
