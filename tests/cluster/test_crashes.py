"""An instance crashes at any step of a deployment, and another completes it alike.

The method is that of Sieve (Sun et al., OSDI 2022): crash a controller at each of its steps, and
compare the result with that of an undisturbed run.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from pytest_aiohttp.plugin import AiohttpServer
from yarl import URL

from backends.builders.toolforge import ToolforgeBuilder
from backends.status import Status
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
from tests.cluster.ground import APPS, Ground
from tests.cluster.runner import TEMPLATE, OpenRunner
from tests.conftest import unmeasured
from tests.factories import configuration

COMPONENTS = ("a", "b")
STEPS = range(16)
"""A write, two starts and a write; then queries until the builds have ended, and a write; a list,
and a write; two applies, and a write; then lists until both are healthy, and a last write."""


@pytest.fixture
def service() -> BuildsService:
    return BuildsService(kept=100, seconds=0.5)


@pytest.fixture
async def server(aiohttp_server: AiohttpServer, service: BuildsService) -> TestServer:
    server: TestServer = await aiohttp_server(service.app())
    return server


@pytest.fixture
async def other(
    open_store: OpenStore, open_runner: OpenRunner, server: TestServer
) -> AsyncIterator[Engine]:
    """The instance that soon takes over."""
    builder = ToolforgeBuilder(URL(str(server.make_url("/builds"))), start_seconds=SECONDS)
    await builder.open()
    yield Engine(
        await open_store(),
        builder,
        runner=await open_runner(),
        limits=limits_of(builder),
        instance="other",
    )
    await builder.close()


async def die(
    cluster: Cluster, tool: str, server: TestServer, template: Path, step: int, when: str
) -> int:
    """Run an instance that deploys and crashes at a step; return its exit code."""
    service = str(cluster.kubeconfig(SERVICE))
    arguments = (service, tool, str(server.make_url("/builds")), str(template))
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
            await asyncio.sleep(0.1)  # builds and rollouts take a while


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_another_instance_completes_the_work_wherever_one_dies(
    cluster: Cluster,
    world: Ground,
    tmp_path: Path,
    server: TestServer,
    service: BuildsService,
    other: Engine,
    step: int,
    when: str,
) -> None:
    tool, template = world.tool, tmp_path / "of-one-that-dies.yaml"
    template.write_text(TEMPLATE)
    await set_configuration(other, tool, configuration(*COMPONENTS))
    code = await die(cluster, tool, server, template, step, when)
    assert code == CRASHED or step >= len(STEPS) - 2
    deployments = await finished(other, tool)
    if (step, when) == (0, "before"):
        # It was never stored, so no client knows it, and nothing was started for it.
        assert deployments == []
        assert not service.started
        assert not await other.runner.list(tool)
        return
    (deployment,) = deployments
    assert deployment.status is DeploymentStatus.FINISHED
    assert {each.status for each in deployment.builds.values()} == {Status.FINISHED}
    assert {each.status for each in deployment.runs.values()} == {Status.FINISHED}
    steps = (*deployment.builds.values(), *deployment.runs.values())
    assert all(each.claim is None for each in steps)
    assert service.started == {f"{tool}/{name}@main": 1 for name in COMPONENTS}
    running = await other.runner.list(tool)
    origins = {name: each.origin and each.origin.deploy_id for name, each in running.items()}
    assert origins == dict.fromkeys(COMPONENTS, deployment.id)
    replica_sets = await world.items(world.path("replicasets", group=APPS))
    assert len(replica_sets) == len(COMPONENTS)
