"""A builder that hangs: the stored state is returned within the request timeout."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse

from backends.builders.base import BuildStatus
from components.http.keys import ENGINE
from tests.builders.hanging import EVERYTHING, HangingBuilder
from tests.conftest import HandClock
from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of

REQUEST_SECONDS = 2.0

HANGING = [*sorted(EVERYTHING), "all"]


@pytest.fixture
async def builder() -> HangingBuilder:
    builder = HangingBuilder()
    builder.commits["main"] = "c0ffee"
    builder.images = {"an-image"}
    return builder


@pytest.fixture
async def deployed(serve: Serve, builder: HangingBuilder) -> AsyncIterator[Client]:
    """The service, retaining two deployments: one that has finished and one that failed."""
    client = await serve(request_timeout=REQUEST_SECONDS, deployments_kept=2)
    names = configuration("one", "two", "three")
    await client.post(CONFIG, json=names)
    for status in (BuildStatus.FINISHED, BuildStatus.ERROR):
        made = await data_of(await client.post(DEPLOY, json={"force-build": True}), 201)
        ids = [each["build-id"] for each in made["builds"].values()]
        builder.becomes(status, *ids, image="an-image")
        await data_of(await client.get(f"{DEPLOY}/latest"))
    yield client
    await client.app[ENGINE].tasks.close()


def hang(builder: HangingBuilder, what: str) -> None:
    builder.hanging |= EVERYTHING if what == "all" else {what}


async def ids_of(client: Client) -> list[str]:
    data = await data_of(await client.get(DEPLOY))
    return [each["deploy-id"] for each in data["deployments"]]


async def deployment_of(response: ClientResponse, status: int) -> dict[str, Any]:
    """Return the deployment in a response."""
    found: dict[str, Any] = await data_of(response, status)
    return found


@pytest.mark.parametrize("what", HANGING)
@pytest.mark.parametrize("path", [DEPLOY, f"{DEPLOY}/latest/retry"])
async def test_a_deployment_is_returned_and_older_ones_are_pruned(
    deployed: Client, builder: HangingBuilder, clock: HandClock, what: str, path: str
) -> None:
    clock.turn(1)
    hang(builder, what)
    data = await deployment_of(await deployed.post(path), 201)
    ids = await ids_of(deployed)
    assert data["deploy-id"] == ids[0]
    assert len(ids) == 2


@pytest.mark.parametrize("what", HANGING)
async def test_a_rollback_is_returned(
    deployed: Client, builder: HangingBuilder, clock: HandClock, what: str
) -> None:
    clock.turn(1)
    (_, finished) = await ids_of(deployed)
    hang(builder, what)
    data = await deployment_of(await deployed.post(f"{DEPLOY}/{finished}/rollback"), 201)
    assert data["status"] == "FINISHED"


@pytest.mark.parametrize("what", HANGING)
async def test_a_running_deployment_can_be_read_and_cancelled(
    deployed: Client, builder: HangingBuilder, clock: HandClock, what: str
) -> None:
    clock.turn(1)
    await deployment_of(await deployed.post(DEPLOY, json={"force-build": True}), 201)
    hang(builder, what)
    data = await deployment_of(await deployed.get(f"{DEPLOY}/latest"), 200)
    assert data["status"] == "RUNNING"
    data = await deployment_of(await deployed.put(f"{DEPLOY}/latest/cancel"), 200)
    messages = {each["message"] for each in data["builds"].values()}
    assert messages <= {"is being cancelled", "cancelled"}


async def test_slow_checks_of_missing_images_run_in_parallel_with_one_deadline(
    deployed: Client, builder: HangingBuilder, clock: HandClock
) -> None:
    """Each check is slow, and then reports that the image is missing."""
    clock.turn(1)

    async def gone(tool: str, image: str) -> bool:
        await asyncio.sleep(REQUEST_SECONDS / 5)
        return False

    builder.has_image = gone  # type: ignore[method-assign]
    for number in range(6):
        clock.turn(1)
        made = await deployment_of(await deployed.post(DEPLOY, json={"force-build": True}), 201)
        ids = [each["build-id"] for each in made["builds"].values()]
        builder.becomes(BuildStatus.FINISHED, *ids, image=f"image-{number}")
        await data_of(await deployed.get(f"{DEPLOY}/latest"))
    await deployment_of(await deployed.post(DEPLOY), 201)
