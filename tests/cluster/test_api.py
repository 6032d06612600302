"""The whole API over HTTP on the Kubernetes store, with two instances."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from backends.builders.base import BuildStatus, NoFreeSlot
from components.http.app import create_app
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.cluster.conftest import Idle, OpenStore, Requests
from tests.factories import component, configuration, reusing
from tests.http.conftest import HEADER, data_of, errors_of

Client: TypeAlias = TestClient[web.Request, web.Application]
Instance: TypeAlias = Callable[..., Awaitable[Client]]


@pytest.fixture
def tool(tools: tuple[str, str]) -> str:
    return tools[0]


@pytest.fixture
def instance(
    aiohttp_client: AiohttpClient, open_store: OpenStore, builder: ScriptedBuilder, tool: str
) -> Instance:
    """Start another instance of the service, called as the tool."""

    async def start(**settings: Any) -> Client:
        given = Settings(deployments_kept=3, **settings)
        app = create_app(given, await open_store(), builder, Idle())
        return await aiohttp_client(app, headers={HEADER: f"CN={tool},O=toolforge"})

    return start


@pytest.fixture
def config(tool: str) -> str:
    return f"/api/v1/tool/{tool}/config"


@pytest.fixture
def deploy(tool: str) -> str:
    return f"/api/v1/tool/{tool}/deploy"


async def test_one_instance_reads_what_another_stores(
    instance: Instance, builder: ScriptedBuilder, config: str, deploy: str
) -> None:
    one, other = await instance(), await instance()
    given = configuration("web", nightly=reusing("web"))
    assert await data_of(await one.post(config, json=given)) == given
    assert await data_of(await other.get(config)) == given
    created = await data_of(await other.post(deploy), 201)
    builder.becomes(BuildStatus.FINISHED, image="i")
    shown = await data_of(await one.get(f"{deploy}/{created['deploy-id']}"))
    assert shown["status"] == "FINISHED"
    assert await data_of(await other.get(f"{deploy}/latest")) == shown
    assert await data_of(await one.get(deploy)) == {"deployments": [shown]}
    assert await data_of(await other.delete(config)) == given
    await errors_of(await one.get(config), 404)


async def test_an_example_configuration_is_returned_unchanged(
    instance: Instance, config: str, example_configuration: Path
) -> None:
    client = await instance()
    body = example_configuration.read_bytes()
    await data_of(
        await client.post(config, data=body, headers={"Content-Type": "application/yaml"})
    )
    assert await data_of(await client.get(config)) == yaml.safe_load(body)


async def test_a_tool_without_a_namespace_is_reported(
    aiohttp_client: AiohttpClient, open_store: OpenStore, builder: ScriptedBuilder
) -> None:
    app = create_app(Settings(), await open_store(), builder, Idle())
    client = await aiohttp_client(app, headers={HEADER: "CN=nobody,O=toolforge"})
    path = "/api/v1/tool/nobody/config"
    (error,) = await errors_of(await client.get(path), 404)
    assert "no configuration, or does not exist" in error
    (error,) = await errors_of(await client.post(path, json=configuration()), 404)
    assert error == "there is no tool 'nobody' here"


async def test_concurrent_writers_leave_one_complete_configuration(
    instance: Instance, config: str
) -> None:
    clients = [await instance(), await instance()]
    given = [configuration(**{f"c{n}": component(port=8000 + n)}) for n in range(10)]
    posts = [clients[n % 2].post(config, json=each) for n, each in enumerate(given)]
    for response in await asyncio.gather(*posts):
        assert response.status in (200, 503)
    assert await data_of(await clients[0].get(config)) in given


async def test_concurrent_requests_for_a_deployment_all_succeed(
    instance: Instance, builder: ScriptedBuilder, config: str, deploy: str
) -> None:
    clients = [await instance(), await instance()]
    await clients[0].post(config, json=configuration("a", "b", "c"))
    created = await data_of(await clients[0].post(deploy), 201)
    builder.becomes(BuildStatus.FINISHED)
    path = f"{deploy}/{created['deploy-id']}"
    for response in await asyncio.gather(*(clients[n % 2].get(path) for n in range(20))):
        assert (await data_of(response))["status"] == "FINISHED"


@pytest.mark.parametrize("max_running", [0, 1])
async def test_every_request_stays_within_its_budget_of_calls(
    instance: Instance,
    builder: ScriptedBuilder,
    requests: Requests,
    config: str,
    deploy: str,
    max_running: int,
) -> None:
    async def fresh() -> Client:
        """An instance without a recent snapshot that knows the server's time."""
        client = await instance(max_running=max_running, configs_kept=2)
        await client.get(config)
        requests.since_of_tools()
        return client

    async def ends(path: str) -> None:
        """Bring the deployment at a path to its end."""
        for status in (BuildStatus.RUNNING, BuildStatus.FINISHED):
            builder.becomes(status)
            client = await fresh()
            await data_of(await client.get(path))
            assert len(requests.since_of_tools()) <= 2, "a GET"

    client = await fresh()
    for n in range(4):
        await data_of(await client.post(config, json=configuration(f"c{n}")))
        assert len(requests.since_of_tools()) <= 4, "POST config"
    await data_of(await client.get(config))
    assert len(requests.since_of_tools()) == 1
    await data_of(await client.get(f"{config}/history"))
    assert len(requests.since_of_tools()) == 1
    builder.refusals["c3"] = NoFreeSlot("full")
    created = await data_of(await client.post(deploy), 201)
    assert len(requests.since_of_tools()) <= 4 + 2 * max_running, "POST deploy"
    path = f"{deploy}/{created['deploy-id']}"
    builder.refusals.clear()
    client = await fresh()
    await data_of(await client.get(path))
    assert len(requests.since_of_tools()) <= 3, "a GET that launches"
    await ends(path)
    client = await fresh()
    await data_of(await client.get(path))
    assert len(requests.since_of_tools()) == 1, "a GET of what is final"
    await data_of(await client.get(path))
    assert len(requests.since_of_tools()) == 1, "and again: what is stored is always read"
    for _ in range(2):
        await data_of(await client.post(deploy), 201)
        await ends(f"{deploy}/latest")
    client = await fresh()
    await data_of(await client.post(deploy, headers={"Idempotency-Key": "one"}), 201)
    assert len(requests.since_of_tools()) <= 7, "POST deploy, one more than are kept"
    await data_of(await client.get(deploy))
    assert len(requests.since_of_tools()) == 1, "the list"


async def test_a_queued_deployment_stays_within_the_budget_when_admitted(
    instance: Instance, builder: ScriptedBuilder, requests: Requests, config: str, deploy: str
) -> None:
    client = await instance(max_running=1)
    await client.post(config, json=configuration())
    first = await data_of(await client.post(deploy), 201)
    requests.since_of_tools()
    second = await data_of(await client.post(deploy), 201)
    assert len(requests.since_of_tools()) <= 7, "POST deploy"
    builder.becomes(BuildStatus.FINISHED)
    for each in (first, second, second, second):
        client = await instance(max_running=1)
        await client.get(config)
        requests.since_of_tools()
        data = await data_of(await client.get(f"{deploy}/{each['deploy-id']}"))
        assert len(requests.since_of_tools()) <= 3, "a GET that launches"
    assert data["status"] == "RUNNING"


async def test_the_service_is_ready_if_the_api_server_is(instance: Instance) -> None:
    data = await data_of(await (await instance()).get("/readyz"))
    assert data["store"] == "answers"
