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
    """The service with a running deployment."""
    await client.post(CONFIG, json=configuration("web"))
    await data_of(await client.post(DEPLOY), 201)
    return client


async def test_a_running_deployment_can_be_cancelled(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    data = await data_of(await deployed.put(f"{LATEST}/cancel"))
    assert data["builds"]["web"]["message"] == "is being cancelled"
    assert builder.cancelled == {"build-1": 1}


async def test_a_final_deployment_can_be_deleted_and_not_cancelled(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    builder.becomes(BuildStatus.FINISHED)
    data = await data_of(await deployed.get(LATEST))
    (error,) = await errors_of(await deployed.put(f"{LATEST}/cancel"), 409)
    assert "its status is FINISHED" in error
    assert await data_of(await deployed.delete(LATEST)) == data
    await errors_of(await deployed.get(f"{DEPLOY}/{data['deploy-id']}"), 404)


async def test_a_running_deployment_cannot_be_deleted(deployed: Client) -> None:
    (error,) = await errors_of(await deployed.delete(LATEST), 409)
    assert "Cancel it first" in error


@pytest.mark.parametrize("path", [f"{DEPLOY}/mytool-deploy-20240404120000-1", f"{DEPLOY}/x"])
async def test_an_unknown_deployment_can_neither_be_cancelled_nor_deleted(
    client: Client, path: str
) -> None:
    await errors_of(await client.put(f"{path}/cancel"), 404)
    await errors_of(await client.delete(path), 404)


async def test_wait_returns_once_the_deployment_changes(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    asked = asyncio.Event()
    builder.before_answers = [asked.set]
    waiting = asyncio.create_task(deployed.session.get(deployed.make_url(f"{LATEST}?wait=30")))
    await asked.wait()
    builder.becomes(BuildStatus.FINISHED)
    assert (await data_of(await waiting))["status"] == "FINISHED"


async def test_wait_returns_at_once_for_a_final_deployment(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    builder.becomes(BuildStatus.FINISHED)
    async with asyncio.timeout(5):
        data = await data_of(await deployed.get(f"{LATEST}?wait=30"))
    assert data["status"] == "FINISHED"


async def test_wait_with_an_etag_returns_once_the_etag_differs(
    deployed: Client, builder: ScriptedBuilder
) -> None:
    etag = (await deployed.get(LATEST)).headers["ETag"]
    same = await deployed.get(f"{LATEST}?wait=0.1", headers={"If-None-Match": etag})
    assert (same.status, await same.read()) == (304, b"")
    other = {"If-None-Match": 'W/"0123456789abcdef"'}
    async with asyncio.timeout(5):
        assert (await deployed.get(f"{LATEST}?wait=30", headers=other)).status == 200


async def test_a_wait_returns_the_current_state_at_shutdown(
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
async def test_wait_has_a_maximum(deployed: Client, wait: str) -> None:
    (error,) = await errors_of(await deployed.get(f"{LATEST}?wait={wait}"), 400)
    assert error.startswith("wait: ")
