"""The fake service is validated against the interface, and the validation can fail."""

import re
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from tests.builders.toolforge.builds_service import BuildsService
from tests.builders.toolforge.interface import LEFT_OUT, OURS, PUBLISHED, Interface

BUILDS = "/builds/v1/tool/mytool/builds"
TOOL = {"X-Toolforge-Tool": "mytool"}


@pytest.mark.parametrize(
    "answer", [{"builds": [{"build_id": 1}]}, {"builds": [{"status": "BUILD_ODD"}]}, {"builds": 1}]
)
async def test_a_response_that_violates_the_interface_is_reported(
    aiohttp_client: AiohttpClient, interface: Interface, answer: object
) -> None:
    async def wrong(request: web.Request) -> web.Response:
        return web.json_response(answer)

    app = web.Application(middlewares=[interface.middleware])
    app.router.add_get(BUILDS, wrong)
    await (await aiohttp_client(app)).get(BUILDS, headers=TOOL)
    assert len(interface.violations) == 1


async def test_a_request_that_violates_the_interface_is_reported(
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


async def test_the_fake_service_follows_the_interface(
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
async def test_each_start_deletes_all_successes_but_the_newest(
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


def operations(file: Path) -> dict[str, set[str]]:
    """The statuses in a file, by method and path."""
    return {
        f"{method} {re.sub('{.*?}', '{}', path)}": set(operation["responses"])
        for path, item in yaml.safe_load(file.read_text())["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def test_the_interface_we_use_is_part_of_the_published_one() -> None:
    if not PUBLISHED.exists():
        pytest.skip("the published file is not at hand")
    published = operations(PUBLISHED)
    for operation, statuses in operations(OURS).items():
        method = operation.split()[0].upper()
        left_out = {str(status) for status in LEFT_OUT.get(method, ())}
        assert statuses <= published[operation] | left_out, operation
