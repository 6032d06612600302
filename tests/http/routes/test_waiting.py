"""Cancelling, deleting and waiting over HTTP."""

import asyncio

import pytest

from backends.builders.base import BuildStatus
from components.http.keys import STOPPING
from tests.builders.scripted import ScriptedBuilder
from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, data_of, errors_of

LATEST = f"{DEPLOY}/latest"


@pytest.fixture
async def deployed(client: Client) -> Client:
    """The service with a deployment that runs."""
    await client.post(CONFIG, json=configuration("web"))
    await data_of(await client.post(DEPLOY), 201)
    return client


async def test_a_running_deployment_can_be_cancelled(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    data = await data_of(await deployed.put(f"{LATEST}/cancel"))
    assert data["builds"]["web"]["message"] == "is being cancelled"
    assert builder.cancelled == {"build-1": 1}


async def test_one_that_has_ended_can_be_deleted_and_not_cancelled(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    builder.becomes(BuildStatus.FINISHED)
    data = await data_of(await deployed.get(LATEST))
    (error,) = await errors_of(await deployed.put(f"{LATEST}/cancel"), 409)
    assert "its status is FINISHED" in error
    assert await data_of(await deployed.delete(LATEST)) == data
    await errors_of(await deployed.get(f"{DEPLOY}/{data['deploy-id']}"), 404)


async def test_one_that_runs_cannot_be_deleted(deployed: Client) -> None:
    (error,) = await errors_of(await deployed.delete(LATEST), 409)
    assert "Cancel it first" in error


@pytest.mark.parametrize("path", [f"{DEPLOY}/mytool-deploy-20240404120000-1", f"{DEPLOY}/x"])
async def test_what_is_not_there_can_be_neither(client: Client, path: str) -> None:
    await errors_of(await client.put(f"{path}/cancel"), 404)
    await errors_of(await client.delete(path), 404)


async def test_an_answer_can_be_held_until_something_changes(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    asked = asyncio.Event()
    builder.before_answers = [asked.set]
    waiting = asyncio.create_task(deployed.session.get(deployed.make_url(f"{LATEST}?wait=30")))
    await asked.wait()
    builder.becomes(BuildStatus.FINISHED)
    assert (await data_of(await waiting))["status"] == "FINISHED"


async def test_a_final_deployment_is_not_waited_for(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    builder.becomes(BuildStatus.FINISHED)
    async with asyncio.timeout(5):
        data = await data_of(await deployed.get(f"{LATEST}?wait=30"))
    assert data["status"] == "FINISHED"


async def test_with_a_tag_the_answer_is_held_until_it_differs(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    etag = (await deployed.get(LATEST)).headers["ETag"]
    same = await deployed.get(f"{LATEST}?wait=0.1", headers={"If-None-Match": etag})
    assert (same.status, await same.read()) == (304, b"")
    other = {"If-None-Match": 'W/"0123456789abcdef"'}
    async with asyncio.timeout(5):
        assert (await deployed.get(f"{LATEST}?wait=30", headers=other)).status == 200


async def test_a_waiting_request_ends_with_what_is_known_when_the_service_stops(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    asked = asyncio.Event()
    builder.before_answers = [asked.set]
    waiting = asyncio.create_task(deployed.session.get(deployed.make_url(f"{LATEST}?wait=30")))
    await asked.wait()
    deployed.app[STOPPING].set()
    async with asyncio.timeout(5):
        assert (await data_of(await waiting))["status"] == "RUNNING"


@pytest.mark.parametrize("wait", ["61", "-1", "soon", "nan"])
async def test_the_time_to_wait_is_bounded(deployed: Client, wait: str) -> None:
    (error,) = await errors_of(await deployed.get(f"{LATEST}?wait={wait}"), 400)
    assert error.startswith("wait: ")
