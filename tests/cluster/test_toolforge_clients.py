"""Toolforge's published command line against two instances on the Kubernetes store."""

import asyncio
from typing import Any

import aiohttp
import pytest
from pytest_aiohttp.plugin import AiohttpServer

from backends.runners.simulated import SimulatedRunner
from components.http.app import create_app
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.cluster.apiserver import SERVICE
from tests.cluster.conftest import Cluster, OpenStore
from tests.factories import configuration
from tests.http.toolforge.contract import ToolforgeClientContract
from tests.http.toolforge.gateway import TOOL_HEADER
from tests.service.test_process import service


@pytest.fixture
def tool(tools: tuple[str, str]) -> str:
    return tools[0]


class TestOnTheKubernetesStore(ToolforgeClientContract):
    @pytest.fixture
    async def instances(
        self, aiohttp_server: AiohttpServer, open_store: OpenStore, builder: ScriptedBuilder
    ) -> tuple[str, ...]:
        """Two instances of the service, with one builder and one runner."""
        settings = Settings(
            toolforge_api=True, max_running=1, writes_per_minute=0, reads_per_minute=0
        )
        runner = SimulatedRunner(0.0)
        apps = [create_app(settings, await open_store(), builder, runner=runner) for _ in range(2)]
        return tuple([str((await aiohttp_server(app)).make_url("")) for app in apps])


async def test_a_deployment_goes_on_after_the_instance_that_made_it_was_killed(
    cluster: Cluster, service_rights: None, tool: str
) -> None:
    env = {
        "KUBECONFIG": str(cluster.kubeconfig(SERVICE)),
        "COMPONENTS_STORE": "kubernetes",
        "COMPONENTS_TOOLFORGE_API": "true",
        "COMPONENTS_LAUNCH_TIMEOUT": "2",
        "COMPONENTS_SIMULATED_BUILD_SECONDS": "3",
        "COMPONENTS_RUNNER": "simulated",
        "COMPONENTS_SIMULATED_RUN_SECONDS": "0",
    }
    path = f"/v1/tool/{tool}"
    async with aiohttp.ClientSession(headers={TOOL_HEADER: tool}) as session:
        async with service(**env) as (process, url):
            given = configuration("web", "worker")
            async with session.post(f"{url}{path}/config", json=given) as response:
                assert response.status == 200
            async with session.post(f"{url}{path}/deployment") as response:
                created = (await response.json())["data"]
            process.kill()
            await process.wait()
        async with service(**env) as (_, url):
            ended = await _ended(session, f"{url}{path}/deployment/{created['deploy_id']}")
    assert ended["status"] == "successful", ended["long_status"]
    ids = {name: each["build_id"] for name, each in created["builds"].items()}
    assert {name: each["build_id"] for name, each in ended["builds"].items()} == ids


async def _ended(session: aiohttp.ClientSession, url: str) -> Any:
    """Ask for a deployment, as Toolforge's clients do, until it has ended."""
    async with asyncio.timeout(60):
        while True:
            async with session.get(url) as response:
                deployment = (await response.json())["data"]
            if deployment["status"] not in ("pending", "running"):
                return deployment
            await asyncio.sleep(0.2)  # there is nothing else to wait for on this face
