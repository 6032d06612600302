"""Responses of a proxy or gateway are never final."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpRawServer

from backends.builders.base import BuilderUnavailable, BuildStatus
from backends.builders.toolforge import ToolforgeBuilder
from backends.toolforge.errors import NotExecuted, NotFound, error_of, json_object
from tests.builders.toolforge.builds_service import BuildsService
from tests.builders.toolforge.conftest import Connect
from tests.builders.toolforge.misbehaving import Html
from tests.factories import TOOL, build_request

PAGES = [Html(200), Html(400), Html(404), Html(409), Html(422), Html(500), Html(502)]


@pytest.mark.parametrize("page", PAGES)
async def test_an_html_page_instead_of_a_list_is_retried(
    builder: ToolforgeBuilder, service: BuildsService, page: Html
) -> None:
    build_id = (await builder.start(build_request())).id
    service.faults = [page]
    state = (await builder.get(TOOL, [build_id]))[build_id]
    assert state is not None
    assert state.status is BuildStatus.RUNNING


@pytest.mark.parametrize("page", PAGES)
async def test_an_html_page_instead_of_a_build_is_no_update(
    builder: ToolforgeBuilder, service: BuildsService, page: Html
) -> None:
    service.faults = [0, page]
    assert (await builder.get(TOOL, ["unlisted"]))["unlisted"] is None


@pytest.mark.parametrize("page", PAGES)
async def test_an_html_page_in_response_to_a_start_is_not_a_rejection(
    builder: ToolforgeBuilder, service: BuildsService, page: Html
) -> None:
    service.fault = lambda: page
    with pytest.raises(BuilderUnavailable):
        await builder.start(replace(build_request(), repeated=False))


@pytest.mark.parametrize("page", PAGES)
async def test_an_html_page_in_response_to_a_cancel_is_retried(
    builder: ToolforgeBuilder, service: BuildsService, page: Html
) -> None:
    build_id = (await builder.start(build_request())).id
    service.faults = [page]
    await builder.cancel(TOOL, build_id)
    assert service.builds[0].status == "BUILD_CANCELLED"


@pytest.mark.parametrize("page", PAGES)
async def test_an_html_page_instead_of_a_log_is_unavailable_and_not_missing(
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
def test_a_404_without_the_services_format_is_not_final(body: bytes) -> None:
    assert isinstance(error_of("the builds service", 404, "", json_object(body)), NotExecuted)


@pytest.mark.parametrize("body", [b'{"error": ["no"]}', b'{"messages": {"error": ["no"]}}'])
def test_a_404_in_the_services_format_is_final_with_its_message(body: bytes) -> None:
    error = error_of("the builds service", 404, "", json_object(body))
    assert isinstance(error, NotFound)
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
async def test_any_response_maps_to_a_builder_error(
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
