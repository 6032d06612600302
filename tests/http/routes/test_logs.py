"""The log of a build over HTTP: streamed as plain text."""

import asyncio

import pytest
from aiohttp import ClientPayloadError

from backends.builders.base import BuilderUnavailable, BuildRejected, NoFreeSlot
from components.http.keys import STOPPING
from tests.builders.scripted import ScriptedBuilder
from tests.factories import configuration, reusing
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of, errors_of

LOG = f"{DEPLOY}/latest/builds/web/log"


@pytest.fixture
async def deployed(client: Client, builder: ScriptedBuilder) -> Client:
    """The service with a deployment of two components, one reusing the other's build."""
    builder.logs["build-1"] = ["fetching", "compiling ✓"]
    await client.post(CONFIG, json=configuration("web", nightly=reusing("web")))
    await data_of(await client.post(DEPLOY), 201)
    return client


async def test_a_log_is_plain_text(deployed: Client) -> None:
    response = await deployed.get(LOG)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert await response.text() == "fetching\ncompiling ✓\n"


async def test_a_component_that_reuses_a_build_has_its_log(deployed: Client) -> None:
    response = await deployed.get(f"{DEPLOY}/latest/builds/nightly/log")
    assert await response.text() == "fetching\ncompiling ✓\n"


async def test_a_log_without_lines_is_empty(deployed: Client, builder: ScriptedBuilder) -> None:
    builder.logs["build-1"] = []
    response = await deployed.get(LOG)
    assert (response.status, await response.text()) == (200, "")


async def test_a_followed_log_comes_line_by_line_and_ends_with_the_build(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    async with deployed.get(LOG, params={"follow": "true"}) as response:
        assert await response.content.readline() == b"fetching\n"
        assert await response.content.readline() == b"compiling \xe2\x9c\x93\n"
        builder.ended.set()
        assert await response.content.read() == b"ended\n"


async def test_a_log_response_begins_even_if_the_build_prints_nothing(
    serve: Serve, builder: ScriptedBuilder
) -> None:
    client = await serve(request_timeout=0.1)
    builder.logs["build-1"] = []
    await client.post(CONFIG, json=configuration("web"))
    await data_of(await client.post(DEPLOY), 201)
    async with client.get(LOG, params={"follow": "true"}) as response:
        assert response.status == 200
        builder.ended.set()
        assert await response.content.read() == b"ended\n"


async def test_a_followed_log_may_take_longer_than_a_request(
    serve: Serve, builder: ScriptedBuilder
) -> None:
    client = await serve(request_timeout=0.1)
    builder.logs["build-1"] = ["fetching"]
    await client.post(CONFIG, json=configuration("web"))
    await data_of(await client.post(DEPLOY), 201)
    async with client.get(LOG, params={"follow": "true"}) as response:
        assert await response.content.readline() == b"fetching\n"
        asyncio.get_running_loop().call_later(0.3, builder.ended.set)
        assert await response.content.read() == b"ended\n"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (f"{DEPLOY}/latest/builds/wep/log", "has no component 'wep': did you mean 'web'?"),
        (f"{DEPLOY}/latest/builds/x/log", "has no component 'x': it has web, nightly"),
        (f"{DEPLOY}/mytool-deploy-20240404120000-1/builds/web/log", "has no deployment"),
    ],
)
async def test_unknown_components_and_deployments_are_not_found(
    deployed: Client, path: str, message: str
) -> None:
    (error,) = await errors_of(await deployed.get(path), 404)
    assert message in error


async def test_a_log_that_the_builder_does_not_have_is_not_found(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    builder.logs.clear()
    (error,) = await errors_of(await deployed.get(LOG), 404)
    assert error == "there is no log of build-1"


async def test_a_build_that_was_never_started_has_no_log(
    client: Client, builder: ScriptedBuilder
) -> None:
    builder.refusals["web"] = BuildRejected("cannot find ref 'mian'")
    await client.post(CONFIG, json=configuration("web"))
    await data_of(await client.post(DEPLOY), 201)
    (error,) = await errors_of(await client.get(LOG), 404)
    assert error == ("the build of 'web' has no log: it was not started: cannot find ref 'mian'")


async def test_a_followed_log_of_a_waiting_build_begins_once_it_starts(
    client: Client, builder: ScriptedBuilder
) -> None:
    builder.refusals["web"] = NoFreeSlot("full")
    builder.logs["build-1"] = ["fetching"]
    await client.post(CONFIG, json=configuration("web"))
    await data_of(await client.post(DEPLOY), 201)
    await errors_of(await client.get(LOG), 404)
    asking = asyncio.create_task(client.session.get(client.make_url(f"{LOG}?follow=true")))
    builder.refusals.clear()
    builder.ended.set()
    async with asyncio.timeout(10):
        assert await (await asking).text() == "fetching\nended\n"


async def test_a_followed_log_of_a_build_that_never_starts_is_not_found(
    client: Client, builder: ScriptedBuilder
) -> None:
    builder.refusals["web"] = NoFreeSlot("full")
    await client.post(CONFIG, json=configuration("web"))
    await data_of(await client.post(DEPLOY), 201)
    asking = asyncio.create_task(client.session.get(client.make_url(f"{LOG}?follow=true")))
    await data_of(await client.put(f"{DEPLOY}/latest/cancel"))
    async with asyncio.timeout(10):
        (error,) = await errors_of(await asking, 404)
    assert "cancelled before it was started" in error


async def test_an_unavailable_builder_is_reported_in_the_envelope(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    builder.logs["build-1"] = [BuilderUnavailable("connection refused")]
    assert await errors_of(await deployed.get(LOG), 503) == ["connection refused"]


async def test_an_interrupted_log_is_an_incomplete_response(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    builder.logs["build-1"] = ["fetching", BuilderUnavailable("connection lost")]
    async with deployed.get(LOG) as response:
        with pytest.raises(ClientPayloadError):
            await response.read()


async def test_a_followed_log_is_cut_at_shutdown(deployed: Client) -> None:
    async with deployed.get(LOG, params={"follow": "true"}) as response:
        await response.content.readline()
        deployed.app[STOPPING].set()
        with pytest.raises(ClientPayloadError):
            await response.read()


async def test_a_log_that_has_not_begun_at_shutdown_is_a_503(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    builder.gate.clear()
    asking = asyncio.create_task(deployed.session.get(deployed.make_url(LOG)))
    await builder.until_waiting(1)
    deployed.app[STOPPING].set()
    assert await errors_of(await asking, 503) == [
        "this instance of the service is shutting down: send the request again"
    ]


async def test_follow_is_a_boolean(deployed: Client) -> None:
    (error,) = await errors_of(await deployed.get(LOG, params={"follow": "maybe"}), 400)
    assert error == 'follow: must be true or false, not "maybe"'
