"""Reading what is large: nobody waits for it, and it is not read for whoever has gone."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from backends.builders.base import BuildStatus
from components.engine.context import Engine
from components.engine.creation import create_deployment
from components.engine.drafts import Wish
from components.http.app import create_app
from components.serve import InFlight
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL
from tests.http.conftest import DEPLOY, HEADER, SUBJECT, Serve, answered
from tests.http.ticking import ticking
from tests.stores.counting import CountingStore

MOST_SECONDS = 0.05
NAMES = tuple(f"component-{number}" for number in range(200))


async def fill(store: CountingStore, builder: ScriptedBuilder, clock: HandClock) -> None:
    """Store ten deployments of two hundred builds each, all of them finished."""
    engine = Engine(store, builder)
    await deployed(engine, *NAMES)
    builder.becomes(BuildStatus.FINISHED)
    await show_deployment(engine, TOOL, "latest")
    for _ in range(9):
        clock.turn(1)
        await create_deployment(engine, TOOL, Wish())


@pytest.mark.parametrize("path", [DEPLOY, f"{DEPLOY}/latest", f"{DEPLOY}/latest?wait=1"])
async def test_ten_deployments_of_two_hundred_builds_keep_nobody_waiting(
    serve: Serve, store: CountingStore, builder: ScriptedBuilder, clock: HandClock, path: str
) -> None:
    await fill(store, builder, clock)
    client = await serve()  # which has read nothing of it yet
    await client.get("/healthz")
    async with ticking() as gaps:
        response = await client.get(path)
        await response.read()
    assert response.status == 200
    assert gaps.longest < MOST_SECONDS


@pytest.mark.parametrize("path", [f"{DEPLOY}/latest", f"{DEPLOY}/latest?wait=1"])
async def test_two_hundred_builds_that_change_keep_nobody_waiting(
    serve: Serve, store: CountingStore, builder: ScriptedBuilder, clock: HandClock, path: str
) -> None:
    await deployed(Engine(store, builder), *NAMES)
    client = await serve()
    await client.get("/healthz")
    builder.becomes(BuildStatus.RUNNING)
    async with ticking() as gaps:
        response = await client.get(path)
        await response.read()
    assert response.status == 200
    assert gaps.longest < MOST_SECONDS


async def test_what_has_been_read_is_not_read_again(
    serve: Serve, store: CountingStore, builder: ScriptedBuilder, clock: HandClock
) -> None:
    await fill(store, builder, clock)
    client = await serve()
    seconds = []
    for _ in range(2):
        began = time.thread_time()
        assert (await client.get(DEPLOY)).status == 200
        seconds.append(time.thread_time() - began)
    assert seconds[1] < seconds[0] / 2


async def test_whoever_waits_for_the_latest_asks_once_which_that_is(
    serve: Serve, store: CountingStore, builder: ScriptedBuilder
) -> None:
    await deployed(Engine(store, builder))
    client = await serve()
    store.calls.clear()
    await answered(await client.get(f"{DEPLOY}/latest?wait=1.5"))
    assert store.calls["list"] == 1


class Visitors:
    """Connections that have asked for something, and are then closed without an answer."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._writers: list[asyncio.StreamWriter] = []

    async def ask(self, path: str, number: int) -> None:
        for _ in range(number):
            _, writer = await asyncio.open_connection(*self._address)
            lines = (f"GET {path} HTTP/1.1", "Host: localhost", f"{HEADER}: {SUBJECT[HEADER]}")
            writer.write("\r\n".join([*lines, "", ""]).encode())
            self._writers.append(writer)

    async def leave(self) -> None:
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(each.wait_closed() for each in self._writers))


@pytest.fixture
async def listening(
    store: CountingStore, builder: ScriptedBuilder
) -> AsyncIterator[tuple[InFlight, tuple[str, int]]]:
    """What counts the handlers of a service that listens as a real one does, and its address.

    aiohttp's own server for tests would end the handlers by itself.
    """
    app, in_flight = create_app(Settings(), store, builder), InFlight()
    in_flight.watch(app)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield in_flight, runner.addresses[0][:2]
    await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (f"{DEPLOY}/latest?wait=60", 200),
        (f"{DEPLOY}/latest/events", 20),
        (f"{DEPLOY}/latest/builds/component-1/log?follow=true", 20),
    ],
)
async def test_of_those_who_have_gone_no_handler_is_left(
    listening: tuple[InFlight, tuple[str, int]],
    store: CountingStore,
    builder: ScriptedBuilder,
    path: str,
    number: int,
) -> None:
    await deployed(Engine(store, builder), *NAMES)
    builder.logs = {build_id: [] for build_id in builder.builds}  # which say nothing
    in_flight, address = listening
    asked, all_asked = 0, asyncio.Event()

    async def count() -> None:
        nonlocal asked
        asked += 1
        store.before["list"] = count
        if asked == number:
            all_asked.set()

    store.before["list"] = count
    visitors = Visitors(address)
    async with asyncio.timeout(20):
        await visitors.ask(path, number)
        await all_asked.wait()
        await visitors.leave()
        await in_flight.none.wait()
