"""The fake service is validated against the interface, and what is used of it is published."""

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from tests.builders.toolforge.interface import Interface
from tests.builders.toolforge.test_interface import operations
from tests.runners.toolforge.interface import OURS, PUBLISHED
from tests.runners.toolforge.jobs_service import JobsService

JOBS = "/jobs/v1/tool/mytool/jobs"
TOOL = {"X-Toolforge-Tool": "mytool"}
WEB = {"name": "web", "job_type": "continuous", "cmd": "serve", "imagename": "i"}


@pytest.mark.parametrize(
    "answer", [{"jobs": 1}, {"jobs": [{"name": "web"}]}, {"jobs": [{**WEB, "name": 1}]}]
)
async def test_a_response_that_violates_the_interface_is_reported(
    aiohttp_client: AiohttpClient, interface: Interface, answer: object
) -> None:
    async def wrong(request: web.Request) -> web.Response:
        return web.json_response(answer)

    app = web.Application(middlewares=[interface.middleware])
    app.router.add_get(JOBS, wrong)
    await (await aiohttp_client(app)).get(JOBS, headers=TOOL)
    assert len(interface.violations) == 1


@pytest.mark.parametrize(
    "job", [{**WEB, "cmd": 1}, {**WEB, "retry": 9}, {**WEB, "name": "x" * 53}, {"name": "web"}]
)
async def test_a_request_that_violates_the_interface_is_reported(
    aiohttp_client: AiohttpClient, interface: Interface, job: object
) -> None:
    async def lenient(request: web.Request) -> web.Response:
        return web.json_response({"job_changed": True})

    app = web.Application(middlewares=[interface.middleware])
    app.router.add_patch(JOBS, lenient)
    client = await aiohttp_client(app)
    await client.patch(JOBS, headers=TOOL, json=job)
    assert len(interface.violations) == 1


async def test_the_fake_service_follows_the_interface(
    aiohttp_client: AiohttpClient, interface: Interface
) -> None:
    app = JobsService().app()
    app.middlewares.append(interface.middleware)
    client = await aiohttp_client(app, headers=TOOL)
    nightly = {**WEB, "name": "nightly", "job_type": "scheduled", "schedule": "@daily"}
    asked = [
        await client.patch(JOBS, json=WEB),
        await client.patch(JOBS, json=WEB),
        await client.patch(JOBS, json=nightly),
        await client.get(JOBS),
        await client.get(JOBS, params={"include_unset": "false"}),
        await client.get(f"{JOBS}/web"),
        await client.get(f"{JOBS}/none"),
        await client.post(f"{JOBS}/web/restart"),
        await client.get(f"{JOBS}/web/logs"),
        await client.delete(f"{JOBS}/web"),
        await client.delete(f"{JOBS}/web"),
        await client.get("/jobs/v1/healthz"),
    ]
    assert [each.status for each in asked] == [
        *(200, 200, 200, 200, 200, 200, 404, 200, 200, 200, 404, 200)
    ]
    assert interface.violations == []


def test_the_interface_we_use_is_part_of_the_published_one() -> None:
    if not PUBLISHED.exists():
        pytest.skip("the published file is not at hand")
    published = operations(PUBLISHED)
    for operation, statuses in operations(OURS).items():
        assert statuses <= published[operation], operation
