"""Deployments on the builds service, through our own API."""

import asyncio
from contextlib import suppress

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from backends.builders.toolforge import ToolforgeBuilder
from backends.stores.memory import MemoryStore
from components.http.app import create_app
from components.settings import Settings
from tests.builders.toolforge.builds_service import BuildsService
from tests.builders.toolforge.conftest import Serve
from tests.conftest import ROOT
from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, SUBJECT, data_of

EIGHT = ROOT / "examples/configurations/observatory.yaml"


@pytest.fixture
def service() -> BuildsService:
    """A service that deletes no builds, so that the result of each can be checked."""
    return BuildsService(kept=100, successes_kept=100)


async def test_eight_components_finish_with_four_slots(
    aiohttp_client: AiohttpClient, builder: ToolforgeBuilder, service: BuildsService
) -> None:
    app: web.Application = create_app(Settings(reads_per_minute=0), MemoryStore(), builder)
    client = await aiohttp_client(app, headers=SUBJECT)
    body = EIGHT.read_bytes()
    yaml = {"Content-Type": "application/yaml"}
    await data_of(await client.post(CONFIG, data=body, headers=yaml))
    shown = await data_of(await client.post(DEPLOY), 201)
    own = {b["build-id"] for b in shown["builds"].values() if b["build-id"]}
    assert len(own) == 4
    async with asyncio.timeout(30):
        while shown["status"] == "RUNNING":
            for build in service.builds:
                if not build.is_final:
                    build.end("BUILD_SUCCESS")
            shown = await data_of(await client.get(f"{DEPLOY}/latest"))
    assert shown["status"] == "FINISHED"
    assert set(service.started.values()) == {1}
    assert len(service.started) == len({b["build-id"] for b in shown["builds"].values()})


async def test_fifty_builds_of_a_deployment_are_started_at_once(
    aiohttp_client: AiohttpClient, serve: Serve
) -> None:
    service = BuildsService(slots=50)
    app = create_app(Settings(), MemoryStore(), await serve(service))
    client = await aiohttp_client(app, headers=SUBJECT)
    all_there = asyncio.Barrier(50)
    service.resolving = lambda ref: all_there.wait()
    names = [f"part-{n}" for n in range(50)]
    await data_of(await client.post(CONFIG, json=configuration(*names)))
    async with asyncio.timeout(20):
        shown = await data_of(await client.post(DEPLOY), 201)
    assert len({each["build-id"] for each in shown["builds"].values()} - {None}) == 50


class SlowLists(BuildsService):
    """A service whose list takes longer than the deletion at the next start."""

    def __init__(self) -> None:
        super().__init__()
        self._start_comes = asyncio.Event()

    async def _start(self, request: web.Request) -> web.StreamResponse:
        self._start_comes.set()
        return await super()._start(request)

    async def _list(self, request: web.Request) -> web.Response:
        self._start_comes.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await self._start_comes.wait()
                await self.all_executed()
        return await super()._list(request)


async def test_six_components_on_four_slots_finish_although_successes_are_deleted(
    aiohttp_client: AiohttpClient, serve: Serve
) -> None:
    service = SlowLists()
    app = create_app(Settings(reads_per_minute=0), MemoryStore(), await serve(service))
    client = await aiohttp_client(app, headers=SUBJECT)
    names = [f"part-{n}" for n in range(6)]
    await data_of(await client.post(CONFIG, json=configuration(*names)))
    shown = await data_of(await client.post(DEPLOY), 201)
    assert len(service.builds) == 4
    for build in service.builds[:3]:
        build.end("BUILD_SUCCESS")
    async with asyncio.timeout(30):
        while len(service.ever) < len(names):
            await data_of(await client.get(f"{DEPLOY}/latest"))
        for build in service.ever.values():
            if not build.is_final:
                build.end("BUILD_SUCCESS")
        while shown["status"] in ("PENDING", "RUNNING"):
            shown = await data_of(await client.get(f"{DEPLOY}/latest"))
    assert {name: each["status"] for name, each in shown["builds"].items()} == dict.fromkeys(
        names, "FINISHED"
    )
    assert set(service.started.values()) == {1}
