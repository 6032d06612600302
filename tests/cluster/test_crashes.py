"""An instance crashes at any step of a deployment, and another completes it alike.

The method is that of Sieve (Sun et al., OSDI 2022): crash a controller at each of its steps, and
compare the result with that of an undisturbed run.
"""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer
from pytest_aiohttp.plugin import AiohttpServer
from yarl import URL

from backends.builders.base import BuildStatus
from backends.builders.toolforge import ToolforgeBuilder
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.reading import deployments_in
from components.engine.deployments.reconcile import reconcile
from tests.builders.toolforge.builds_service import BuildsService
from tests.cluster.apiserver import SERVICE
from tests.cluster.conftest import Cluster, OpenStore
from tests.cluster.crashing import CRASHED, SECONDS, limits_of
from tests.conftest import unmeasured
from tests.factories import configuration

COMPONENTS = ("a", "b")
STEPS = range(8)
"""A write, two starts and a write; then queries until the builds have ended, and a last write."""


@pytest.fixture
def service() -> BuildsService:
    return BuildsService(kept=100, seconds=0.5)


@pytest.fixture
async def server(aiohttp_server: AiohttpServer, service: BuildsService) -> TestServer:
    server: TestServer = await aiohttp_server(service.app())
    return server


@pytest.fixture
async def other(open_store: OpenStore, server: TestServer) -> AsyncIterator[Engine]:
    """The instance that soon takes over."""
    builder = ToolforgeBuilder(URL(str(server.make_url("/builds"))), start_seconds=SECONDS)
    await builder.open()
    yield Engine(await open_store(), builder, limits=limits_of(builder), instance="other")
    await builder.close()


async def die(cluster: Cluster, tool: str, server: TestServer, step: int, when: str) -> int:
    """Run an instance that deploys and crashes at a step; return its exit code."""
    arguments = (str(cluster.kubeconfig(SERVICE)), tool, str(server.make_url("/builds")))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.cluster.crashing",
        *arguments,
        str(step),
        when,
        env=unmeasured(),
    )
    return await process.wait()


async def finished(engine: Engine, tool: str) -> list[Deployment]:
    """Wait until all deployments of a tool have ended; return them."""
    async with asyncio.timeout(30):
        while True:
            found, _ = await deployments_in(engine, await engine.store.list(tool, DEPLOYMENT))
            going_on = [document for document, each in found if not each.status.is_final]
            if not going_on:
                return [each for _, each in found]
            for document in going_on:
                await reconcile(engine, document)
            await asyncio.sleep(0.1)  # builds take a while


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_another_instance_completes_the_work_wherever_one_dies(
    cluster: Cluster,
    tools: tuple[str, str],
    server: TestServer,
    service: BuildsService,
    other: Engine,
    step: int,
    when: str,
) -> None:
    tool = tools[0]
    await set_configuration(other, tool, configuration(*COMPONENTS))
    code = await die(cluster, tool, server, step, when)
    assert code == CRASHED or step >= len(STEPS) - 2
    deployments = await finished(other, tool)
    if (step, when) == (0, "before"):
        # It was never stored, so no client knows it, and nothing was started for it.
        assert deployments == []
        assert not service.started
        return
    (deployment,) = deployments
    assert deployment.status is DeploymentStatus.FINISHED
    assert {each.status for each in deployment.builds.values()} == {BuildStatus.FINISHED}
    assert all(build.claim is None for build in deployment.builds.values())
    assert service.started == {f"{tool}/{name}@main": 1 for name in COMPONENTS}
