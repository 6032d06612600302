"""Deployments on the builds service, through our own API."""

import asyncio

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from backends.builders.toolforge import ToolforgeBuilder
from backends.stores.memory import MemoryStore
from components.http.app import create_app
from components.settings import Settings
from tests.builders.toolforge.builds_service import BuildsService
from tests.conftest import ROOT
from tests.http.conftest import CONFIG, DEPLOY, SUBJECT, answered

EIGHT = ROOT / "examples/configurations/observatory.yaml"


@pytest.fixture
def service() -> BuildsService:
    """A service that does not forget, so that it tells of every build how it ended."""
    return BuildsService(kept=100, successes_kept=100)


async def test_eight_components_finish_with_four_slots_and_nothing_but_refreshes(
    aiohttp_client: AiohttpClient, builder: ToolforgeBuilder, service: BuildsService
) -> None:
    app: web.Application = create_app(Settings(reads_per_minute=0), MemoryStore(), builder)
    client = await aiohttp_client(app, headers=SUBJECT)
    body = EIGHT.read_bytes()
    yaml = {"Content-Type": "application/yaml"}
    await answered(await client.post(CONFIG, data=body, headers=yaml))
    shown = await answered(await client.post(DEPLOY), 201)
    own = {b["build-id"] for b in shown["builds"].values() if b["build-id"]}
    assert len(own) == 4
    async with asyncio.timeout(30):
        while shown["status"] == "RUNNING":
            for build in service.builds:
                if not build.is_final:
                    build.end("BUILD_SUCCESS")
            shown = await answered(await client.get(f"{DEPLOY}/latest"))
    assert shown["status"] == "FINISHED"
    assert set(service.started.values()) == {1}
    assert len(service.started) == len({b["build-id"] for b in shown["builds"].values()})
