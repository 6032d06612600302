"""The whole service in a cluster: what was built runs, and what fails leaves what ran before."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from backends.builders.base import BuildState, BuildStatus
from components.http.app import create_app
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.cluster.conftest import OpenStore, Requests
from tests.cluster.ground import Ground
from tests.cluster.runner import OpenRunner
from tests.cluster.stages import Fate, image
from tests.factories import component, configuration
from tests.http.conftest import HEADER, data_of

MANY = 20


class Tool:
    """A tool's maintainer, whose builds make the images that a test says."""

    def __init__(
        self, client: TestClient[web.Request, web.Application], builder: ScriptedBuilder, name: str
    ) -> None:
        self.client, self.builder, self.name = client, builder, name
        self.path = f"/api/v1/tool/{name}"

    async def deploy(self, fate: Fate, *names: str, **components: Any) -> dict[str, Any]:
        """Deploy components whose images have a fate; return the deployment once it has ended."""
        body = configuration(*names, **components)
        await data_of(await self.client.post(f"{self.path}/config", json=body))
        created = await self.client.post(f"{self.path}/deploy")
        deployment: dict[str, Any] = await data_of(created, 201)
        for build_id, state in self.builder.builds.items():
            if not state.status.is_final:
                self.builder.builds[build_id] = BuildState(
                    build_id, BuildStatus.FINISHED, image=image(fate)
                )
        path = f"{self.path}/deploy/{deployment['deploy-id']}"
        while deployment["status"] not in ("FINISHED", "ERROR", "CANCELLED"):
            response = await self.client.get(path, params={"wait": 30})
            deployment = await data_of(response)
        return deployment

    async def running(self) -> dict[str, Any]:
        """Return what runs."""
        data = await data_of(await self.client.get(f"{self.path}/run"))
        found: dict[str, Any] = data["components"]
        return found


@pytest.fixture
async def tool(
    world: Ground, open_store: OpenStore, open_runner: OpenRunner, aiohttp_client: AiohttpClient
) -> Tool:
    builder = ScriptedBuilder()
    app = create_app(Settings(), await open_store(), builder, runner=await open_runner())
    client = await aiohttp_client(app, headers={HEADER: f"CN={world.tool},O=toolforge"})
    return Tool(client, builder, world.tool)


async def uids(world: Ground) -> set[str]:
    return {each["metadata"]["uid"] for each in await world.items(world.path("pods"))}


async def test_a_deployment_ends_with_its_components_running(tool: Tool, world: Ground) -> None:
    deployment = await tool.deploy(
        Fate.OK, "worker", web=component(port=8000), nightly=component(schedule="@daily")
    )
    assert deployment["status"] == "FINISHED", deployment
    assert {name: each["health"] for name, each in (await tool.running()).items()} == {
        "nightly": "healthy",
        "web": "healthy",
        "worker": "healthy",
    }
    assert len(await uids(world)) == 2


async def test_a_version_that_crashes_is_put_back_and_the_old_pods_stay(
    tool: Tool, world: Ground
) -> None:
    first = await tool.deploy(Fate.OK, "web", "api")
    before = await uids(world)
    failed = await tool.deploy(Fate.CRASH, "web", "new")
    assert failed["status"] == "ERROR"
    assert failed["message"] == "what ran before was put back"
    assert any("exit code" in each["message"] for each in failed["runs"].values())
    running = await tool.running()
    assert {name: each["deploy-id"] for name, each in running.items()} == dict.fromkeys(
        ("api", "web"), first["deploy-id"]
    )
    assert before <= await uids(world)


async def test_twenty_components_that_all_change_cost_one_apply_each(
    tool: Tool, requests: Requests
) -> None:
    names = [f"c{n}" for n in range(MANY)]
    await tool.deploy(Fate.OK, *names)
    requests.since()
    first, *others = names
    # Its build is new, so it is started again; the others change.
    changed = {name: component(memory="300Mi") for name in others}
    deployment = await tool.deploy(Fate.OK, first, **changed)
    assert deployment["status"] == "FINISHED", deployment
    assert requests.since().count("patch") == MANY
