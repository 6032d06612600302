"""Limits of each tool on an instance: its request rate, and its held requests."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.builders.scripted import ScriptedBuilder
from tests.factories import TOOL, configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of, errors_of

OTHER = {"ssl-client-subject-dn": "CN=other,O=toolforge"}


async def test_reads_over_the_rate_get_429_with_retry_after(serve: Serve) -> None:
    client = await serve(reads_per_minute=2)
    await data_of(await client.get(DEPLOY))
    await data_of(await client.get(f"{CONFIG}/history"))
    response = await client.get(DEPLOY)
    (error,) = await errors_of(response, 429)
    assert error.startswith("at most 2 requests that change nothing")
    assert response.headers["Retry-After"] == "30"


async def test_reads_over_the_rate_do_not_block_writes(serve: Serve) -> None:
    client = await serve(reads_per_minute=1)
    await client.get(DEPLOY)
    await errors_of(await client.get(DEPLOY), 429)
    await data_of(await client.post(CONFIG, json=configuration()))


async def test_public_paths_have_no_rate_limit(serve: Serve) -> None:
    client = await serve(reads_per_minute=1)
    for _ in range(3):
        await data_of(await client.get("/healthz"))
    await data_of(await client.get(DEPLOY))


async def test_dry_runs_do_not_count_as_writes(serve: Serve) -> None:
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
async def test_other_deploy_bodies_count_as_writes(serve: Serve, body: str) -> None:
    client = await serve(writes_per_minute=1)
    headers = {"Content-Type": "application/json"}
    await client.post(DEPLOY, data=body, headers=headers)
    await errors_of(await client.post(DEPLOY, data=body, headers=headers), 429)


async def test_a_configuration_with_a_dry_run_field_counts_as_a_write(serve: Serve) -> None:
    client = await serve(writes_per_minute=1)
    body = {**configuration(), "dry-run": True}
    await data_of(await client.post(CONFIG, json=body))
    await errors_of(await client.post(CONFIG, json=body), 429)


@pytest.fixture
async def running(serve: Serve, builder: ScriptedBuilder) -> Client:
    """The service with a running deployment, and a limit of two held requests."""
    client = await serve(max_held=2)
    await client.post(CONFIG, json=configuration())
    await data_of(await client.post(DEPLOY), 201)
    return client


HELD = [f"{DEPLOY}/latest/events", f"{DEPLOY}/latest?wait=50"]


async def test_streams_and_waits_of_a_tool_are_limited(running: Client) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            stream = await stack.enter_async_context(running.get(HELD[0]))
            assert stream.status == 200
        for path in HELD:
            response = await running.get(path)
            (error,) = await errors_of(response, 429)
            assert error.startswith("at most 2 event streams, waits and followed logs")
            assert response.headers["Retry-After"] == "5"
        # Other requests of the tool succeed, and so do those of another tool.
        await data_of(await running.get(f"{DEPLOY}/latest"))
        theirs = running.make_url(HELD[0].replace(TOOL, "other"))
        assert (await running.session.get(theirs, headers=OTHER)).status == 404


@pytest.mark.parametrize("max_held", [0, 20])
async def test_held_requests_of_all_tools_use_at_most_half_of_the_connections(
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


async def test_a_wait_no_longer_counts_once_it_has_ended(running: Client) -> None:
    for _ in range(3):
        await data_of(await running.get(f"{DEPLOY}/latest?wait=0.01"))


async def test_waits_count_while_they_are_held(running: Client) -> None:
    waits = {asyncio.create_task(running.get(HELD[1])) for _ in range(3)}
    (first,), others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    await errors_of(first.result(), 429)
    await data_of(await running.put(f"{DEPLOY}/latest/cancel"))
    for each in await asyncio.gather(*others):
        await data_of(each)
