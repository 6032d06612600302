"""What something between us and the builds service answers is never the end of anything."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpRawServer

from backends.builders.base import BuilderUnavailable, BuildStatus
from backends.builders.toolforge import ToolforgeBuilder
from backends.builders.toolforge.errors import Missing, NotDone, error_of, object_of
from tests.builders.toolforge.builds_service import BuildsService
from tests.builders.toolforge.conftest import Connect
from tests.builders.toolforge.misbehaving import Html
from tests.factories import TOOL, build_request

PAGES = [Html(200), Html(400), Html(404), Html(409), Html(422), Html(500), Html(502)]


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_in_place_of_a_list_is_asked_past(
    builder: ToolforgeBuilder, service: BuildsService, page: Html
) -> None:
    build_id = (await builder.start(build_request())).id
    service.faults = [page]
    state = (await builder.get(TOOL, [build_id]))[build_id]
    assert state is not None
    assert state.status is BuildStatus.RUNNING


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_in_place_of_a_build_is_no_news(
    builder: ToolforgeBuilder, service: BuildsService, page: Html
) -> None:
    service.faults = [0, page]
    assert (await builder.get(TOOL, ["unlisted"]))["unlisted"] is None


@pytest.mark.parametrize("page", PAGES)
async def test_a_start_that_meets_a_page_is_not_rejected(
    builder: ToolforgeBuilder, service: BuildsService, page: Html
) -> None:
    service.fault = lambda: page
    with pytest.raises(BuilderUnavailable):
        await builder.start(replace(build_request(), repeated=False))


@pytest.mark.parametrize("page", PAGES)
async def test_a_cancel_that_meets_a_page_is_sent_again(
    builder: ToolforgeBuilder, service: BuildsService, page: Html
) -> None:
    build_id = (await builder.start(build_request())).id
    service.faults = [page]
    await builder.cancel(TOOL, build_id)
    assert service.builds[0].status == "BUILD_CANCELLED"


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_is_no_log_and_does_not_say_that_there_is_none(
    builder: ToolforgeBuilder, service: BuildsService, page: Html
) -> None:
    build_id = (await builder.start(build_request())).id
    service.faults = [page]
    with pytest.raises(BuilderUnavailable):
        await anext(builder.log(TOOL, build_id))


@pytest.mark.parametrize(
    "body",
    [
        b'{"detail": "Not Found"}',
        b'{"message": "no Route matched with those values"}',
        b'{"error": "not found"}',
        b'{"error": []}',
        b"[" * 100_000,
        b"\xff",
        b"",
    ],
)
def test_only_the_form_of_the_service_is_its_own(body: bytes) -> None:
    assert isinstance(error_of(404, "", object_of(body)), NotDone)


@pytest.mark.parametrize("body", [b'{"error": ["no"]}', b'{"messages": {"error": ["no"]}}'])
def test_its_own_form_is_final_in_its_own_words(body: bytes) -> None:
    error = error_of(404, "", object_of(body))
    assert isinstance(error, Missing)
    assert str(error) == "no"


@pytest.mark.parametrize(
    "raw",
    [
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad\x00header: \x01\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
    ids=["text", "length", "header", "gzip", "short", "long", "after", "nothing"],
)
async def test_whatever_comes_back_is_one_of_the_errors_of_a_builder(
    aiohttp_raw_server: AiohttpRawServer, connect: Connect, raw: bytes
) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request.transport, asyncio.WriteTransport)
        request.transport.write(raw)
        request.transport.close()
        return web.Response()

    builder = await connect((await aiohttp_raw_server(answer)).make_url("/"))
    with pytest.raises(BuilderUnavailable) as caught:
        await builder.get(TOOL, ["x"])
    assert "the builds service" in str(caught.value)
    with pytest.raises(BuilderUnavailable) as caught:
        await builder.start(replace(build_request(), repeated=False))
    assert caught.value.maybe_started
