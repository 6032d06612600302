"""An outage of the API server: responses during it, and the documents after it."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from components.http.app import create_app
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.cluster.apiserver import ApiServer
from tests.cluster.conftest import Cluster, OpenStore
from tests.factories import configuration
from tests.http.conftest import HEADER, data_of, errors_of

pytestmark = pytest.mark.timeout(180)

WITHIN_SECONDS = 11


@pytest.fixture
async def server(cluster: Cluster) -> AsyncIterator[ApiServer]:
    """The API server, restarted for the next test."""
    if cluster.server is None:
        pytest.skip("this needs an API server that the tests start and can stop")
    yield cluster.server
    if cluster.server.processes["kube-apiserver"].poll() is not None:
        await asyncio.to_thread(cluster.server.start_api_server)
    cluster.server.signal(signal.SIGCONT)


async def test_an_outage_is_reported_in_time_and_loses_nothing(
    server: ApiServer,
    aiohttp_client: AiohttpClient,
    open_store: OpenStore,
    tools: tuple[str, str],
) -> None:
    app = create_app(Settings(), await open_store(), ScriptedBuilder())
    client: TestClient = await aiohttp_client(app, headers={HEADER: f"CN={tools[0]},O=toolforge"})  # type: ignore[type-arg]
    config, deploy = (f"/api/v1/tool/{tools[0]}/{each}" for each in ("config", "deploy"))
    given = configuration("web", "api")
    await data_of(await client.post(config, json=given))
    acknowledged = [await data_of(await client.post(deploy), 201) for _ in range(3)]

    async def all_are_refused_in_time() -> None:
        began = asyncio.get_running_loop().time()
        requests = (
            client.get(config),
            client.post(config, json=configuration("other")),
            client.post(deploy),
            client.get(deploy),
            client.get(f"{deploy}/{acknowledged[0]['deploy-id']}"),
        )
        for response in await asyncio.gather(*requests):
            (error,) = await errors_of(response, 503)
            assert "Kubernetes API server does not respond" in error
            assert response.headers["Retry-After"]
        assert asyncio.get_running_loop().time() - began < WITHIN_SECONDS

    server.signal(signal.SIGSTOP)
    await all_are_refused_in_time()
    await errors_of(await client.get("/readyz"), 503)
    server.signal(signal.SIGKILL)
    await all_are_refused_in_time()
    await asyncio.to_thread(server.start_api_server)

    # An unacknowledged write may have been stored, but only completely.
    assert await data_of(await client.get(config)) in (given, configuration("other"))
    listed = await data_of(await client.get(deploy))
    assert (await (await client.get(deploy)).json())["messages"]["warning"] == []
    ids = [each["deploy-id"] for each in listed["deployments"]]
    assert {each["deploy-id"] for each in acknowledged} <= set(ids)
    for deploy_id in ids:
        shown = await data_of(await client.get(f"{deploy}/{deploy_id}"))
        assert shown["builds"].keys() in ({"web", "api"}, {"other"})
    await data_of(await client.post(deploy), 201)


async def test_the_service_is_not_ready_without_etcd(
    server: ApiServer, aiohttp_client: AiohttpClient, open_store: OpenStore
) -> None:
    async def readiness() -> ClientResponse:
        """Return the readiness of an instance that has made no call before."""
        app = create_app(Settings(), await open_store(), ScriptedBuilder())
        client: TestClient = await aiohttp_client(app)  # type: ignore[type-arg]
        return await client.get("/readyz")

    await data_of(await readiness())
    server.processes["etcd"].send_signal(signal.SIGSTOP)
    try:
        await errors_of(await readiness(), 503)
    finally:
        server.processes["etcd"].send_signal(signal.SIGCONT)
