"""Starts at the same moment do not wait for each other, and never exceed the limit together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.base import NoFreeSlot
from backends.builders.tekton.builder import TektonBuilder
from backends.builders.tekton.slots import Slots
from backends.kube.connection import KubeConnection
from tests.factories import build_request

PATH = "/apis/tekton.dev/v1/namespaces/tool-mytool/pipelineruns"


class Api:
    """The part of an API server that starts use. `before_create` is awaited by each creation."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.lists = 0
        self.before_create: Callable[[], Awaitable[object]] = self._nothing

    async def _nothing(self) -> None: ...

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get(PATH, self._list), web.post(PATH, self._create)])
        return app

    async def _list(self, request: web.Request) -> web.Response:
        self.lists += 1
        found = {"kind": "PipelineRunList", "apiVersion": "tekton.dev/v1", "metadata": {}}
        return web.json_response({**found, "items": list(self.runs.values())})

    async def _create(self, request: web.Request) -> web.Response:
        run = await request.json()
        await self.before_create()
        run["metadata"]["resourceVersion"] = "1"
        self.runs[run["metadata"]["name"]] = run
        return web.json_response(run, status=201)


@pytest.fixture
def api() -> Api:
    return Api()


Open = Callable[[int], Awaitable[TektonBuilder]]


@pytest.fixture
async def open_builder(
    api: Api, aiohttp_server: AiohttpServer, tmp_path: Path
) -> AsyncIterator[Open]:
    server = await aiohttp_server(api.app())
    kubeconfig = tmp_path / "kubeconfig"
    url = str(server.make_url("/")).rstrip("/")
    cluster = {"name": "c", "cluster": {"server": url}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    user = {"name": "u", "user": {"token": "t"}}
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "clusters": [cluster],
                "contexts": [context],
                "users": [user],
                "current-context": "c",
            }
        )
    )
    builders = []

    async def opened(max_builds: int) -> TektonBuilder:
        connection = KubeConnection(str(kubeconfig))
        builder = TektonBuilder(connection, "git-clone-buildah", max_builds=max_builds)
        await builder.open()
        builders.append(builder)
        return builder

    yield opened
    for each in builders:
        await each.close()


async def test_fifty_starts_share_one_list_and_are_in_flight_at_once(
    api: Api, open_builder: Open
) -> None:
    builder = await open_builder(50)
    all_there = asyncio.Barrier(50)
    api.before_create = all_there.wait
    requests = [build_request(f"c{number}", f"k{number}") for number in range(50)]
    async with asyncio.timeout(20):
        await asyncio.gather(*map(builder.start, requests))
    assert len(api.runs) == 50
    assert api.lists == 1


async def test_starts_at_once_and_in_turn_take_only_the_free_slots(
    api: Api, open_builder: Open
) -> None:
    builder = await open_builder(4)
    created, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def hold() -> None:
        created.release()
        await go_on.wait()

    api.before_create = hold
    starts = [
        asyncio.create_task(builder.start(build_request(f"c{number}", f"k{number}")))
        for number in range(8)
    ]
    for _ in range(4):
        await created.acquire()
    with pytest.raises(NoFreeSlot, match="4 builds of this tool are already running"):
        await builder.start(build_request("late", "late"))
    go_on.set()
    outcomes = await asyncio.gather(*starts, return_exceptions=True)
    assert sum(isinstance(each, NoFreeSlot) for each in outcomes) == 4
    with pytest.raises(NoFreeSlot):
        await builder.start(build_request("later", "later"))
    assert len(api.runs) == 4


async def test_a_start_that_ends_without_an_outcome_still_counts_until_the_next_list(
    api: Api, open_builder: Open
) -> None:
    builder = await open_builder(1)
    created = asyncio.Event()

    async def hang() -> None:
        created.set()
        await asyncio.Event().wait()

    api.before_create = hang
    start = asyncio.create_task(builder.start(build_request("a", "a")))
    await created.wait()
    with pytest.raises(NoFreeSlot):
        await builder.start(build_request("b", "b"))
    start.cancel()
    await asyncio.wait([start])
    api.before_create = api._nothing
    await builder.start(build_request("b", "b"))
    assert len(api.runs) == 1, "the next list did not have the first"


def test_a_list_forgets_only_what_was_created_before_it_was_requested() -> None:
    slots = Slots()
    first = slots.next_list()
    with slots.taken("a"):
        assert slots.used(first, [], "b") == 1
    assert slots.used(first, [], "b") == 1
    assert slots.used(first, [], "a") == 0
    assert slots.used(first, ["a", "c"], "b") == 2
    second = slots.next_list()
    assert slots.used(second, [], "b") == 0
