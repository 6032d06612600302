"""The stand-in is checked against the published interface, and the check can fail."""

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from tests.builders.toolforge.builds_service import BuildsService
from tests.builders.toolforge.interface import Interface

BUILDS = "/builds/v1/tool/mytool/builds"
TOOL = {"X-Toolforge-Tool": "mytool"}


@pytest.mark.parametrize(
    "answer", [{"builds": [{"build_id": 1}]}, {"builds": [{"status": "BUILD_ODD"}]}, {"builds": 1}]
)
async def test_an_answer_against_the_interface_is_found(
    aiohttp_client: AiohttpClient, interface: Interface, answer: object
) -> None:
    async def wrong(request: web.Request) -> web.Response:
        return web.json_response(answer)

    app = web.Application(middlewares=[interface.middleware])
    app.router.add_get(BUILDS, wrong)
    await (await aiohttp_client(app)).get(BUILDS, headers=TOOL)
    assert len(interface.violations) == 1


async def test_a_request_against_the_interface_is_found(
    aiohttp_client: AiohttpClient, interface: Interface
) -> None:
    async def lenient(request: web.Request) -> web.Response:
        return web.json_response({"new_build": {"name": "b"}})

    app = web.Application(middlewares=[interface.middleware])
    app.router.add_post(BUILDS, lenient)
    client = await aiohttp_client(app)
    await client.post(BUILDS, headers=TOOL, json={"source_url": 1})
    await client.post(BUILDS, json={"source_url": "https://git.example.org/x"})
    assert len(interface.violations) == 2


async def test_the_stand_in_keeps_to_it(
    aiohttp_client: AiohttpClient, interface: Interface
) -> None:
    app = BuildsService(slots=1).app()
    app.middlewares.append(interface.middleware)
    client = await aiohttp_client(app, headers=TOOL)
    given = {"source_url": "https://git.example.org/x"}
    started = await (await client.post(BUILDS, json=given)).json()
    one = f"{BUILDS}/{started['new_build']['name']}"
    asked = [
        await client.post(BUILDS, json=given),
        await client.post(BUILDS, json={"source_url": 1}),
        await client.get(BUILDS),
        await client.get(one),
        await client.get(f"{one}/logs"),
        await client.put(f"{one}/cancel"),
        await client.put(f"{one}/cancel"),
        await client.get(f"{BUILDS}/none"),
        await client.get("/builds/v1/healthz"),
    ]
    assert [each.status for each in asked] == [409, 400, 200, 200, 200, 200, 409, 404, 200]
    assert interface.violations == []


@pytest.mark.parametrize(("slots", "status"), [(4, 200), (0, 409)])
async def test_at_every_start_it_forgets_all_successes_but_the_newest(
    aiohttp_client: AiohttpClient, slots: int, status: int
) -> None:
    service = BuildsService()
    client = await aiohttp_client(service.app(), headers=TOOL)
    given = {"source_url": "https://git.example.org/x"}
    for _ in range(3):
        await client.post(BUILDS, json=given)
    for build, ended in zip(service.builds, ["SUCCESS", "FAILURE", "SUCCESS"], strict=True):
        build.end(f"BUILD_{ended}")
    service.slots = slots
    assert (await client.post(BUILDS, json=given)).status == status
    kept = [each.status for each in service.builds if each.is_final]
    assert kept == ["BUILD_FAILURE", "BUILD_SUCCESS"]
