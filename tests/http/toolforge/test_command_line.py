"""Toolforge's published command line against the service on the memory store."""

import pytest
from pytest_aiohttp.plugin import AiohttpServer

from backends.runners.simulated import SimulatedRunner
from backends.stores.memory import MemoryStore
from components.http.app import create_app
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.factories import TOOL
from tests.http.toolforge.contract import ToolforgeClientContract


class TestOnTheMemoryStore(ToolforgeClientContract):
    @pytest.fixture
    def tool(self) -> str:
        return TOOL

    @pytest.fixture
    async def instances(
        self, aiohttp_server: AiohttpServer, builder: ScriptedBuilder
    ) -> tuple[str, ...]:
        settings = Settings(toolforge_api=True, max_running=1, writes_per_minute=0)
        app = create_app(settings, MemoryStore(), builder, runner=SimulatedRunner(0.0))
        return (str((await aiohttp_server(app)).make_url("")),)
