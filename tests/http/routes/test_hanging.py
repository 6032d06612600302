"""A builder that never answers: what is stored is answered, within a request's time."""

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
    """The service, which keeps two deployments, and one that has finished and one that failed."""
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


async def told(response: ClientResponse, status: int) -> dict[str, Any]:
    """Return what is answered of a deployment, in time."""
    found: dict[str, Any] = await data_of(response, status)
    return found


@pytest.mark.parametrize("what", HANGING)
@pytest.mark.parametrize("path", [DEPLOY, f"{DEPLOY}/latest/retry"])
async def test_what_is_deployed_is_answered_and_older_ones_are_removed(
    deployed: Client, builder: HangingBuilder, clock: HandClock, what: str, path: str
) -> None:
    clock.turn(1)
    hang(builder, what)
    data = await told(await deployed.post(path), 201)
    ids = await ids_of(deployed)
    assert data["deploy-id"] == ids[0]
    assert len(ids) == 2


@pytest.mark.parametrize("what", HANGING)
async def test_what_is_rolled_back_to_is_answered(
    deployed: Client, builder: HangingBuilder, clock: HandClock, what: str
) -> None:
    clock.turn(1)
    (_, finished) = await ids_of(deployed)
    hang(builder, what)
    data = await told(await deployed.post(f"{DEPLOY}/{finished}/rollback"), 201)
    assert data["status"] == "FINISHED"


@pytest.mark.parametrize("what", HANGING)
async def test_one_that_runs_is_shown_and_can_be_cancelled(
    deployed: Client, builder: HangingBuilder, clock: HandClock, what: str
) -> None:
    clock.turn(1)
    await told(await deployed.post(DEPLOY, json={"force-build": True}), 201)
    hang(builder, what)
    data = await told(await deployed.get(f"{DEPLOY}/latest"), 200)
    assert data["status"] == "RUNNING"
    data = await told(await deployed.put(f"{DEPLOY}/latest/cancel"), 200)
    messages = {each["message"] for each in data["builds"].values()}
    assert messages <= {"is being cancelled", "cancelled"}


async def test_images_that_are_each_gone_after_a_while_cost_no_more_than_one(
    deployed: Client, builder: HangingBuilder, clock: HandClock
) -> None:
    """Each of them takes long, and says then that the image is gone."""
    clock.turn(1)

    async def gone(tool: str, image: str) -> bool:
        await asyncio.sleep(REQUEST_SECONDS / 5)
        return False

    builder.has_image = gone  # type: ignore[method-assign]
    for number in range(6):
        clock.turn(1)
        made = await told(await deployed.post(DEPLOY, json={"force-build": True}), 201)
        ids = [each["build-id"] for each in made["builds"].values()]
        builder.becomes(BuildStatus.FINISHED, *ids, image=f"image-{number}")
        await data_of(await deployed.get(f"{DEPLOY}/latest"))
    await told(await deployed.post(DEPLOY), 201)
