"""Whoever watches a deployment that is deleted right after its end is told of that end first."""

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
    """An instance that a deployment is watched on, the one that removes it, and its path."""
    # A request's own time is less than the removal waits for those who watch.
    one = await serve(request_timeout=1.0)
    other = one if request.param == "the same instance" else await serve(request_timeout=1.0)
    await one.post(CONFIG, json=configuration("web"))
    data = await data_of(await one.post(DEPLOY), 201)
    return one, other, f"{DEPLOY}/{data['deploy-id']}"


async def test_its_event_stream_ends_with_its_end(
    watched: tuple[Client, Client, str], builder: ScriptedBuilder
) -> None:
    one, other, path = watched
    stream = await one.get(f"{path}/events")
    await event(stream)
    builder.becomes(BuildStatus.FINISHED)
    removing = asyncio.create_task(remove(other, path))
    told = []
    while found := await event(stream):
        told.append(json.loads(found["data"])["data"]["status"])
    assert told[-1] == "FINISHED"
    await removing
    await errors_of(await one.get(path), 404)


async def test_whoever_waits_for_a_change_is_answered_its_end(
    watched: tuple[Client, Client, str], builder: ScriptedBuilder
) -> None:
    one, other, path = watched
    builder.asked.clear()
    asked = asyncio.Event()
    builder.before_answers = [asked.set]
    waiting = asyncio.create_task(one.session.get(one.make_url(f"{path}?wait=30")))
    await asked.wait()
    builder.becomes(BuildStatus.FINISHED)
    removing = asyncio.create_task(remove(other, path))
    assert (await data_of(await waiting))["status"] == "FINISHED"
    await removing
    await errors_of(await one.get(path), 404)


async def remove(client: Client, path: str) -> None:
    """Remove a deployment as soon as it has ended."""
    shown = await data_of(await client.get(f"{path}?wait=30"))
    assert shown["status"] == "FINISHED"
    await data_of(await client.delete(path))
