"""Clients that watch a deployment see its final status, also if it is deleted right after."""

import asyncio
import json

import pytest

from backends.builders.base import BuildStatus
from tests.builders.scripted import ScriptedBuilder
from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of, errors_of
from tests.http.routes.test_events import event


@pytest.fixture(params=["the same instance", "another one"])
async def watched(request: pytest.FixtureRequest, serve: Serve) -> tuple[Client, Client, str]:
    """An instance for watching a deployment, one for deleting it, and its path."""
    # The request timeout is shorter than the deletion waits for clients that watch.
    one = await serve(request_timeout=1.0)
    other = one if request.param == "the same instance" else await serve(request_timeout=1.0)
    patient = await serve()
    await patient.post(CONFIG, json=configuration("web"))
    data = await data_of(await patient.post(DEPLOY), 201)
    return one, other, f"{DEPLOY}/{data['deploy-id']}"


async def test_an_event_stream_has_the_final_status_before_the_deletion(
    watched: tuple[Client, Client, str], builder: ScriptedBuilder
) -> None:
    one, other, path = watched
    stream = await one.get(f"{path}/events")
    await event(stream)
    builder.becomes(BuildStatus.FINISHED)
    deleting = asyncio.create_task(delete(other, path))
    statuses = []
    while found := await event(stream):
        statuses.append(json.loads(found["data"])["data"]["status"])
    assert statuses[-1] == "FINISHED"
    await deleting
    await errors_of(await one.get(path), 404)


async def test_a_wait_returns_the_final_status_before_the_deletion(
    watched: tuple[Client, Client, str], builder: ScriptedBuilder
) -> None:
    one, other, path = watched
    builder.asked.clear()
    asked = asyncio.Event()
    builder.before_answers = [asked.set]
    waiting = asyncio.create_task(one.session.get(one.make_url(f"{path}?wait=30")))
    await asked.wait()
    builder.becomes(BuildStatus.FINISHED)
    deleting = asyncio.create_task(delete(other, path))
    assert (await data_of(await waiting))["status"] == "FINISHED"
    await deleting
    await errors_of(await one.get(path), 404)


async def delete(client: Client, path: str) -> None:
    """Delete a deployment as soon as it has ended."""
    deployment = await data_of(await client.get(f"{path}?wait=30"))
    assert deployment["status"] == "FINISHED"
    await data_of(await client.delete(path))
