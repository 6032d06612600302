"""The second face: its gateway names the tool in a header of its own."""

import ssl

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict

from backends.stores.memory import MemoryStore
from components.caller_secret import CALLER_HEADER
from components.http.app import create_app
from components.http.identity.identification import TOOL_HEADER
from components.http.keys import CALLER, CALLER_SECRET
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.http.conftest import CONFIG, SUBJECT, Listen, Serve, errors_of
from tests.http.identity.test_caller_secret import BuildsHere
from tests.http.server.tls_files import Files

THEIRS = "/v1/tool/mytool/config"
GATEWAY = "CN=gateway,OU=tests,O=platform"
NAMED = {TOOL_HEADER: "mytool"}


def with_second_face(
    settings: Settings | None = None, builder: ScriptedBuilder | None = None
) -> web.Application:
    """Return the service with one route of the second face, which says who calls."""

    async def who(request: web.Request) -> web.Response:
        return web.json_response({"tool": request[CALLER].tool})

    app = create_app(settings or Settings(), MemoryStore(), builder or ScriptedBuilder())
    app.router.add_get("/v1/tool/{toolname}/config", who)
    return app


async def test_the_header_of_a_trusted_peer_is_the_tool(serve: Serve) -> None:
    client = await serve(NAMED, app=with_second_face())
    response = await client.get(THEIRS)
    assert (response.status, await response.json()) == (200, {"tool": "mytool"})


@pytest.mark.parametrize("named", ["other", "", "MYTOOL", "mytool, other", "tool-mytool"])
async def test_any_other_tool_is_forbidden(serve: Serve, named: str) -> None:
    client = await serve({TOOL_HEADER: named}, app=with_second_face())
    (error,) = await errors_of(await client.get(THEIRS), 403)
    assert error == "only the tool 'mytool' itself may do this"


async def test_a_repeated_header_is_unauthenticated(serve: Serve) -> None:
    client = await serve({}, app=with_second_face())
    headers = CIMultiDict([(TOOL_HEADER, "mytool"), (TOOL_HEADER, "mytool")])
    (error,) = await errors_of(await client.get(THEIRS, headers=headers), 401)
    assert error == "the header x-toolforge-tool must be given exactly once"


async def test_neither_face_knows_the_header_of_the_other(serve: Serve) -> None:
    client = await serve({}, app=with_second_face())
    assert (await client.get(THEIRS, headers=SUBJECT)).status == 401
    assert (await client.get(CONFIG, headers=NAMED)).status == 401
    both = {**SUBJECT, TOOL_HEADER: "other"}
    assert (await client.get(THEIRS, headers=both)).status == 403
    assert (await client.get(CONFIG, headers=both)).status == 404


async def test_an_invalid_tool_name_is_a_bad_request(serve: Serve) -> None:
    client = await serve({TOOL_HEADER: "My_Tool"}, app=with_second_face())
    await errors_of(await client.get("/v1/tool/My_Tool/config"), 400)


async def test_if_builds_run_on_this_machine_the_header_needs_the_secret(serve: Serve) -> None:
    app = with_second_face(builder=BuildsHere())
    client = await serve(NAMED, app=app)
    assert (await client.get(THEIRS)).status == 401
    secret = {CALLER_HEADER: app[CALLER_SECRET]}
    assert (await client.get(THEIRS, headers=secret)).status == 200


async def status(url: str, context: ssl.SSLContext, tool: str | None = None) -> int:
    """Send a request with a client certificate, and perhaps with the header; return the status."""
    headers = {TOOL_HEADER: tool} if tool is not None else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{url}{THEIRS}", ssl=context) as response,
    ):
        return response.status


async def test_a_gateway_is_trusted_and_any_other_certificate_is_not(
    files: Files, listen: Listen
) -> None:
    settings = files.settings(gateway_subjects=(GATEWAY,))
    _, url = await listen(settings, with_second_face(settings))
    gateway = files.client("gateway", "platform")
    assert await status(url, gateway, "mytool") == 200
    assert await status(url, gateway, "other") == 403
    assert await status(url, gateway) == 401
    assert await status(url, files.client(), "other") == 200
    assert await status(url, files.client("other"), "mytool") == 403
