"""The changes of a deployment as server-sent events."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientResponse

from backends.builders.base import BuildStatus
from backends.stores.base import Unavailable
from components.http.keys import STOPPING
from tests.builders.scripted import ScriptedBuilder
from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of, errors_of
from tests.stores.counting import CountingStore

EVENTS = f"{DEPLOY}/latest/events"


@pytest.fixture
async def deployed(client: Client) -> Client:
    """The service with a running deployment."""
    await client.post(CONFIG, json=configuration("web"))
    await data_of(await client.post(DEPLOY), 201)
    return client


async def event(response: ClientResponse) -> dict[str, Any]:
    """Return the next event without comments; empty if the stream has ended."""
    found: dict[str, Any] = {}
    async with asyncio.timeout(10):
        while line := (await response.content.readline()).decode():
            name, _, value = line.strip().partition(": ")
            if not line.strip() and found:
                return found
            if name:
                found[name] = value
    return found


async def test_events_have_the_current_state_and_each_change_until_the_end(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    response = await deployed.get(EVENTS)
    assert response.status == 200
    assert response.content_type == "text/event-stream"
    first = await event(response)
    shown = json.loads(first["data"])
    assert shown["data"]["status"] == "RUNNING"
    assert shown["messages"].keys() == {"info", "warning", "error"}
    builder.becomes(BuildStatus.RUNNING)
    second = await event(response)
    assert json.loads(second["data"])["data"]["builds"]["web"]["status"] == "RUNNING"
    builder.becomes(BuildStatus.FINISHED)
    third = await event(response)
    assert json.loads(third["data"])["data"]["status"] == "FINISHED"
    assert len({each["id"] for each in (first, second, third)}) == 3
    assert await event(response) == {}


async def test_a_reconnect_to_another_instance_gets_only_new_events(
    deployed: Client, serve: Serve, builder: ScriptedBuilder
) -> None:
    response = await deployed.get(EVENTS)
    known = await event(response)
    response.close()
    other = await serve()
    response = await other.get(EVENTS, headers={"Last-Event-ID": known["id"]})
    builder.becomes(BuildStatus.FINISHED)
    assert json.loads((await event(response))["data"])["data"]["status"] == "FINISHED"
    assert await event(response) == {}


async def test_a_reconnect_after_the_last_event_gets_204(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    builder.becomes(BuildStatus.FINISHED)
    response = await deployed.get(EVENTS)
    last = await event(response)
    again = await deployed.get(EVENTS, headers={"Last-Event-ID": last["id"]})
    assert again.status == 204


async def test_events_of_an_unknown_deployment_are_not_found(client: Client) -> None:
    await errors_of(await client.get(EVENTS), 404)


async def test_comments_are_sent_while_nothing_changes(serve: Serve) -> None:
    client = await serve(request_timeout=0.5)
    await client.post(CONFIG, json=configuration("web"))
    await client.post(DEPLOY)
    response = await client.get(EVENTS)
    await event(response)
    async with asyncio.timeout(5):
        assert (await response.content.readline()).startswith(b":")
    response.close()


async def test_an_event_stream_may_take_longer_than_the_request_timeout(
    serve: Serve, builder: ScriptedBuilder
) -> None:
    client = await serve(request_timeout=0.5)
    await client.post(CONFIG, json=configuration("web"))
    await client.post(DEPLOY)
    response = await client.get(EVENTS)
    await event(response)
    loop = asyncio.get_running_loop()
    loop.call_later(0.6, lambda: builder.becomes(BuildStatus.FINISHED))
    assert json.loads((await event(response))["data"])["data"]["status"] == "FINISHED"


async def test_event_streams_end_at_shutdown(deployed: Client) -> None:
    response = await deployed.get(EVENTS)
    await event(response)
    assert deployed.app is not None
    deployed.app[STOPPING].set()
    assert await event(response) == {}


async def test_an_outage_of_the_store_ends_an_event_stream(
    deployed: Client, store: CountingStore
) -> None:
    response = await deployed.get(EVENTS)
    await event(response)

    async def fail() -> None:
        store.before["get"] = fail
        raise Unavailable("connection refused")

    store.before["get"] = fail
    assert await event(response) == {}
