"""The load on a server: the small client, and wrk where it is installed."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from bench.client import LEAST_ANSWERS, at_rate
from bench.load import Load, LoadFailed, OwnClient, Request, Work, Wrk, address_of

SECONDS = 0.1
Serve = Callable[..., Awaitable[str]]


@pytest.fixture(params=["asyncio", "wrk"])
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Load:
    if request.param == "asyncio":
        return OwnClient()
    program = shutil.which("wrk")
    if program is None:
        pytest.skip("wrk is not installed")
    return Wrk(program, tmp_path)


@pytest.fixture
def seen() -> Counter[tuple[str, str, str, bytes]]:
    return Counter()


@pytest.fixture
def serve(aiohttp_server: AiohttpServer, seen: Counter[tuple[str, str, str, bytes]]) -> Serve:
    """Start a server that counts its requests, and answers with a status."""

    async def start(status: int = 200) -> str:
        async def handle(request: web.Request) -> web.Response:
            who = request.headers.get("Who", "")
            seen[request.method, request.path, who, await request.read()] += 1
            return web.Response(status=status, text="x" * 5000)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        return str((await aiohttp_server(app)).make_url("")).rstrip("/")

    return start


async def test_all_answers_are_counted(
    load: Load, serve: Serve, seen: Counter[tuple[str, str, str, bytes]]
) -> None:
    answers = await load.press(await serve(), Work((Request("/a"),), connections=3), SECONDS)
    # Those in flight at the end are not counted.
    assert 0 < answers <= seen.total() <= answers + 3


async def test_requests_take_turns_with_their_own_method_path_headers_and_body(
    load: Load, serve: Serve, seen: Counter[tuple[str, str, str, bytes]]
) -> None:
    body = 'a "quoted" line\n\\ é'.encode()
    requests = (Request("/a", headers={"Who": "me"}), Request("/b", "POST", body=body))
    await load.press(await serve(), Work(requests, connections=1), SECONDS)
    one, other = seen["GET", "/a", "me", b""], seen["POST", "/b", "", body]
    assert seen.total() == one + other
    assert abs(one - other) <= 1  # whichever came first


async def test_on_a_busy_machine_the_load_lasts_until_there_are_answers(serve: Serve) -> None:
    answers = await OwnClient().press(await serve(), Work((Request("/a"),)), 0)
    assert answers >= LEAST_ANSWERS


async def test_an_answer_that_is_an_error_fails_the_load(load: Load, serve: Serve) -> None:
    with pytest.raises(LoadFailed, match="/a"):
        await load.press(await serve(404), Work((Request("/a"),)), SECONDS)


async def test_a_server_that_stalls_delays_all_requests_that_were_due(
    aiohttp_server: AiohttpServer,
) -> None:
    stalled = asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        await stalled.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", handle)
    url = str((await aiohttp_server(app)).make_url("/"))
    address, rate, seconds = address_of(url), 100, 0.2
    asyncio.get_running_loop().call_later(seconds, stalled.set)
    # One connection: without the stall, each would be answered before the next is due.
    latencies = await at_rate(address, Request("/").message(address), 1, rate, seconds)
    late = [each for each in latencies if each > seconds / 4]
    assert len(latencies) == 20
    assert len(late) > len(latencies) / 2


async def test_a_rate_with_errors_is_an_error(serve: Serve) -> None:
    address = address_of(await serve(503))
    with pytest.raises(ConnectionError, match="5 of 5 requests failed"):
        await at_rate(address, Request("/").message(address), 1, 100, 0.05)
