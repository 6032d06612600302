"""What one tool may take of an instance, so that others have the rest."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.builders.scripted import ScriptedBuilder
from tests.factories import TOOL, configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of, errors_of

OTHER = {"ssl-client-subject-dn": "CN=other,O=toolforge"}


async def test_a_tool_may_read_so_often_and_is_told_when_to_come_back(serve: Serve) -> None:
    client = await serve(reads_per_minute=2)
    await data_of(await client.get(DEPLOY))
    await data_of(await client.get(f"{CONFIG}/history"))
    response = await client.get(DEPLOY)
    (error,) = await errors_of(response, 429)
    assert error.startswith("at most 2 requests that change nothing")
    assert response.headers["Retry-After"] == "30"


async def test_whoever_has_read_too_often_may_still_write(serve: Serve) -> None:
    client = await serve(reads_per_minute=1)
    await client.get(DEPLOY)
    await errors_of(await client.get(DEPLOY), 429)
    await data_of(await client.post(CONFIG, json=configuration()))


async def test_what_is_open_counts_for_nobody(serve: Serve) -> None:
    client = await serve(reads_per_minute=1)
    for _ in range(3):
        await data_of(await client.get("/healthz"))
    await data_of(await client.get(DEPLOY))


async def test_a_dry_run_keeps_no_deployment_out(serve: Serve) -> None:
    client = await serve(writes_per_minute=2)
    await client.post(CONFIG, json=configuration())
    for _ in range(3):
        await data_of(await client.post(DEPLOY, json={"dry-run": True}))
    await data_of(await client.post(DEPLOY), 201)


async def test_a_dry_run_counts_as_a_read(serve: Serve) -> None:
    client = await serve(reads_per_minute=1)
    await client.post(CONFIG, json=configuration())
    await data_of(await client.post(DEPLOY, json={"dry-run": True}))
    await errors_of(await client.post(DEPLOY, json={"dry-run": True}), 429)


@pytest.mark.parametrize(
    "body", ['{"dry-run": false}', '{"description": "dry-run"}', "", '{"components": ["dry-run"]}']
)
async def test_whatever_is_no_dry_run_counts_as_a_write(serve: Serve, body: str) -> None:
    client = await serve(writes_per_minute=1)
    headers = {"Content-Type": "application/json"}
    await client.post(DEPLOY, data=body, headers=headers)
    await errors_of(await client.post(DEPLOY, data=body, headers=headers), 429)


async def test_a_configuration_that_calls_itself_a_dry_run_is_a_write(serve: Serve) -> None:
    client = await serve(writes_per_minute=1)
    body = {**configuration(), "dry-run": True}
    await data_of(await client.post(CONFIG, json=body))
    await errors_of(await client.post(CONFIG, json=body), 429)


@pytest.fixture
async def running(serve: Serve, builder: ScriptedBuilder) -> Client:
    """The service with a deployment that runs on, of which two may be watched at a time."""
    client = await serve(max_held=2)
    await client.post(CONFIG, json=configuration())
    await data_of(await client.post(DEPLOY), 201)
    return client


HELD = [f"{DEPLOY}/latest/events", f"{DEPLOY}/latest?wait=50"]


async def test_a_tool_holds_so_many_streams_and_waits_at_a_time(running: Client) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            stream = await stack.enter_async_context(running.get(HELD[0]))
            assert stream.status == 200
        for path in HELD:
            response = await running.get(path)
            (error,) = await errors_of(response, 429)
            assert error.startswith("at most 2 event streams, waits and followed logs")
            assert response.headers["Retry-After"] == "5"
        # What is not held is answered, and so is another tool.
        await data_of(await running.get(f"{DEPLOY}/latest"))
        theirs = running.make_url(HELD[0].replace(TOOL, "other"))
        assert (await running.session.get(theirs, headers=OTHER)).status == 404


@pytest.mark.parametrize("max_held", [0, 20])
async def test_all_tools_together_hold_no_more_than_half_of_the_connections(
    serve: Serve, builder: ScriptedBuilder, max_held: int
) -> None:
    client = await serve(max_connections=4, max_held=max_held)
    await client.post(CONFIG, json=configuration())
    await data_of(await client.post(DEPLOY), 201)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            stream = await stack.enter_async_context(client.get(HELD[0]))
            assert stream.status == 200
        theirs = HELD[0].replace(TOOL, "other")
        response = await client.get(theirs, headers=OTHER)
        (error,) = await errors_of(response, 429)
        assert error.startswith("all tools together hold the 2 event streams")
        assert response.headers["Retry-After"] == "5"
        await data_of(await client.get(f"{DEPLOY}/latest"))


async def test_a_place_is_free_again_once_a_wait_has_ended(running: Client) -> None:
    for _ in range(3):
        await data_of(await running.get(f"{DEPLOY}/latest?wait=0.01"))


async def test_waits_count_while_they_last(running: Client) -> None:
    waits = {asyncio.create_task(running.get(HELD[1])) for _ in range(3)}
    (first,), others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    await errors_of(first.result(), 429)
    await data_of(await running.put(f"{DEPLOY}/latest/cancel"))
    for each in await asyncio.gather(*others):
        await data_of(each)
