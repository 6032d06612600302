"""Graceful shutdown: nothing new starts, and running launches finish or are released."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import TypeAlias

import aiohttp
import pytest
from aiohttp import web

from backends.builders.base import BuilderUnavailable, BuildStatus
from backends.stores.base import Document, DocumentState, JsonObject
from components.engine.builds.model import Build
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT, deployment_of
from components.http.app import create_app
from components.http.keys import BACKGROUND
from components.http.server.listener import Listener
from components.settings import Settings
from components.shutdown import (
    CLOSING_SECONDS,
    DRAIN_SECONDS,
    KEEP_ALIVE_SECONDS,
    InFlight,
    shut_down,
)
from tests.builders.scripted import ScriptedBuilder
from tests.engine.conftest import deployed
from tests.engine.loop.test_background import running
from tests.factories import TOOL, configuration
from tests.http.conftest import CONFIG, DEPLOY, SUBJECT
from tests.service.test_process import logged, service
from tests.stores.counting import CountingStore

Stop: TypeAlias = "asyncio.Task[None]"


class Instance:
    """A listening instance that can be shut down."""

    def __init__(self, store: CountingStore, builder: ScriptedBuilder) -> None:
        settings = Settings(port=0, request_timeout=0.5)
        self.app, self.in_flight = create_app(settings, store, builder), InFlight()
        self.in_flight.watch(self.app)
        self.runner = web.AppRunner(self.app, shutdown_timeout=0.1)
        self.url = ""

    async def start(self) -> None:
        await self.runner.setup()
        self.listener = Listener(self.runner, Settings(port=0))
        self.url = await self.listener.start()

    async def stop(self, seconds: float) -> None:
        """Shut it down; launches have some seconds to finish."""
        await shut_down(self.app, self.listener, self.in_flight, seconds + CLOSING_SECONDS)
        await self.runner.cleanup()


@pytest.fixture
async def instance(store: CountingStore, builder: ScriptedBuilder) -> AsyncIterator[Instance]:
    """Return an instance that is launching a build, while the builder does not respond yet."""
    instance = Instance(store, builder)
    await instance.start()
    builder.gate.clear()
    async with aiohttp.ClientSession(instance.url, headers=SUBJECT) as session:
        await session.post(CONFIG, json=configuration("web"))
        async with session.post(DEPLOY) as response:
            assert response.status == 201
    yield instance
    builder.gate.set()
    await instance.runner.cleanup()


async def build_of(store: CountingStore) -> Build:
    """Return the only build."""
    (document,) = (await store.list(TOOL, DEPLOYMENT)).documents
    return deployment_of(document).builds["web"]


async def test_a_running_launch_finishes(
    instance: Instance, store: CountingStore, builder: ScriptedBuilder
) -> None:
    asyncio.get_running_loop().call_later(0.2, builder.gate.set)
    await instance.stop(10)
    build = await build_of(store)
    assert (build.id, build.claim) == ("build-1", None)


async def test_an_unfinished_launch_is_released_and_another_instance_continues_it_at_once(
    instance: Instance, store: CountingStore, builder: ScriptedBuilder
) -> None:
    await instance.stop(0)
    build = await build_of(store)
    assert (build.id, build.claim) == (None, None)
    builder.gate.set()
    async with running(Engine(store, builder, instance="another")), asyncio.timeout(5):
        await until_started(store)
    assert len({each.key for each in builder.requests}) == 1


async def until_started(store: CountingStore) -> None:
    while (await build_of(store)).id is None:
        stored = asyncio.Event()

        async def note(stored: asyncio.Event = stored) -> None:
            stored.set()

        store.before["replace"] = note
        await stored.wait()
        await asyncio.sleep(0)


class LosesAnswers(CountingStore):
    """A store that executes one write without responding, and then sets `lost`."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: asyncio.Event | None = None

    async def replace(self, read: Document, data: JsonObject, state: DocumentState) -> Document:
        document = await super().replace(read, data, state)
        if self.lost is not None:
            lost, self.lost = self.lost, None
            lost.set()
            await asyncio.Event().wait()
        return document


async def test_a_claim_whose_write_got_no_response_is_released(
    builder: ScriptedBuilder,
) -> None:
    store = LosesAnswers()
    engine = Engine(store, builder)
    builder.outage = BuilderUnavailable("away")
    await deployed(engine, "web")
    builder.outage = None
    store.lost = lost = asyncio.Event()
    instance = Instance(store, builder)
    await instance.start()
    await lost.wait()
    assert (await build_of(store)).claim
    await instance.stop(0)
    build = await build_of(store)
    assert (build.id, build.claim) == (None, None)


async def test_no_deployment_is_reconciled_any_more(
    instance: Instance, store: CountingStore, builder: ScriptedBuilder
) -> None:
    builder.gate.set()
    await until_started(store)
    async with aiohttp.ClientSession(instance.url, headers=SUBJECT) as session:
        # The idle connection delays the shutdown a little.
        async with session.get("/healthz"):
            pass
        stopping = asyncio.create_task(instance.stop(10))
        async with session.get("/healthz") as response:
            assert response.headers["Connection"] == "close"
        builder.becomes(BuildStatus.FINISHED)
        builder.asked.clear()
        await stopping
    assert not builder.asked
    assert instance.app[BACKGROUND].lag >= 0


async def test_a_keep_alive_connection_is_closed_after_one_more_response() -> None:
    async with service() as (process, url):
        port = int(url.rpartition(":")[2])
        connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for reader, writer in connections:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" in await reader.readline()
            await reader.readuntil(b"}}")
        process.send_signal(signal.SIGTERM)
        await logged(process, rb"(stopping)")
        answers = []
        for reader, writer in connections[:2]:
            writer.write(2 * b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answers.append(await reader.read())
        idle, _ = connections[2]
        async with asyncio.timeout(KEEP_ALIVE_SECONDS + 3):
            assert await idle.read() == b""
            assert await process.wait() == 0
        for _, writer in connections:
            writer.close()
    for each in answers:
        assert each.startswith(b"HTTP/1.1 503")
        assert each.count(b"HTTP/1.1") == each.count(b"Connection: close") == 1


async def test_the_shutdown_stays_within_its_time_limit(
    store: CountingStore, builder: ScriptedBuilder, instance: Instance
) -> None:
    """Neither the launch nor the request nor the connection ends."""
    port = int(instance.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /api/v1/tool/mytool/config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Content-Type: application/json\r\n"
        b"ssl-client-subject-dn: CN=mytool,O=toolforge\r\nExpect: 100-continue\r\n\r\n"
    )
    assert b"100" in await reader.readline()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await instance.stop(1)
    assert loop.time() - began < 1 + CLOSING_SECONDS
    writer.close()
    assert Settings().stop_timeout > DRAIN_SECONDS + CLOSING_SECONDS
