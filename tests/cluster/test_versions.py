"""Two versions of the service on one API server: a rolling upgrade, and back."""

import asyncio
import re
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pytest_aiohttp.plugin import AiohttpServer

from backends.stores.base import Document
from components.engine.deployments.documents import DEPLOYMENT, FORM, FORM_WITHOUT_RUNS
from tests.builders.toolforge.builds_service import BuildsService
from tests.cluster.apiserver import SERVICE
from tests.cluster.conftest import Cluster, OpenStore
from tests.cluster.newer import ROOT, WORD, command, make_newer
from tests.conftest import unmeasured
from tests.factories import configuration
from tests.http.conftest import HEADER

pytestmark = pytest.mark.timeout(180)


@dataclass
class Instance:
    """A process of one version, called as any tool."""

    process: Process
    url: str
    session: aiohttp.ClientSession

    async def ask(self, method: str, tool: str, path: str, **asked: Any) -> tuple[int, Any]:
        """Return the status and the body of a response."""
        url, headers = f"{self.url}/api/v1/tool/{tool}/{path}", {HEADER: f"CN={tool},O=toolforge"}
        async with self.session.request(method, url, headers=headers, **asked) as response:
            return response.status, await response.json()

    async def until(self, tool: str, deploy_id: str, status: str) -> Any:
        """Return a deployment once it has a status."""
        async with asyncio.timeout(60):
            while True:
                _, body = await self.ask("GET", tool, f"deploy/{deploy_id}?wait=20")
                if body["data"]["status"] == status:
                    return body["data"]

    async def end(self) -> None:
        """Stop it like an upgrade does."""
        if self.process.returncode is None:
            self.process.terminate()
            await self.process.communicate()


Start = Callable[[Path], Awaitable[Instance]]


@pytest.fixture
def builds() -> BuildsService:
    """A builds service whose builds do not end and are not deleted."""
    return BuildsService(kept=100, successes_kept=100)


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return make_newer(tmp_path / "newer")


@pytest.fixture
async def start(
    cluster: Cluster, open_store: OpenStore, aiohttp_server: AiohttpServer, builds: BuildsService
) -> AsyncIterator[Start]:
    """Start an instance of the version in a directory. Each reconciles all that it can."""
    server = await aiohttp_server(builds.app())
    environment = {
        **unmeasured(),
        "KUBECONFIG": str(cluster.kubeconfig(SERVICE)),
        "COMPONENTS_PORT": "0",
        "COMPONENTS_STORE": "kubernetes",
        "COMPONENTS_BUILDER": "toolforge",
        "COMPONENTS_TOOLFORGE_URL": str(server.make_url("/")),
        "COMPONENTS_MAX_RUNNING": "1",
        "COMPONENTS_LAUNCH_TIMEOUT": "5",
    }
    await open_store()  # for the permissions
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def started(version: Path) -> Instance:
            process = await asyncio.create_subprocess_exec(
                *command("serve"), env=environment, stderr=PIPE, cwd=version
            )
            assert process.stderr is not None
            while not (found := re.search(rb"listening on (\S+)", await process.stderr.readline())):
                pass
            instance = Instance(process, found[1].decode(), session)
            stack.push_async_callback(instance.end)
            return instance

        yield started


@pytest.fixture
def document(open_store: OpenStore) -> Callable[[str, str], Awaitable[Document]]:
    async def read(tool: str, name: str) -> Document:
        return await (await open_store()).get(tool, DEPLOYMENT, name)

    return read


async def deployed(instance: Instance, tool: str) -> str:
    """Deploy a tool's configuration on an instance; return the id."""
    status, body = await instance.ask("POST", tool, "deploy")
    assert status == 201, body
    deploy_id: str = body["data"]["deploy-id"]
    return deploy_id


def end_builds(builds: BuildsService) -> None:
    for build in builds.builds:
        if not build.is_final:
            build.end("BUILD_SUCCESS")


async def test_a_rolling_upgrade_drops_nothing(
    start: Start,
    newer: Path,
    builds: BuildsService,
    tools: tuple[str, str],
    document: Callable[[str, str], Awaitable[Document]],
) -> None:
    tool = tools[0]
    old = await start(ROOT)
    await old.ask("POST", tool, "config", json=configuration("web"))
    before = await deployed(old, tool)
    waiting = await deployed(old, tool)
    new = await start(newer)
    while (await document(tool, before)).data["form"] == FORM_WITHOUT_RUNS:
        await new.ask("GET", tool, f"deploy/{before}?wait=5")
    assert (await document(tool, before)).data["builds"]["web"]["status"] == WORD
    last = await deployed(old, tool)
    assert (await old.ask("GET", tool, f"deploy/{last}"))[1]["data"]["status"] == "PENDING"
    await old.end()
    for deploy_id in (before, waiting, last):
        await new.until(tool, deploy_id, "RUNNING")
        end_builds(builds)
        await new.until(tool, deploy_id, "FINISHED")
    assert builds.most_running[tool] == 1
    assert sum(builds.started.values()) == 3


async def test_documents_of_a_newer_version_are_not_changed_until_it_is_back(
    start: Start,
    newer: Path,
    builds: BuildsService,
    tools: tuple[str, str],
    document: Callable[[str, str], Awaitable[Document]],
) -> None:
    tool, another = tools
    old, new = await start(ROOT), await start(newer)
    for each in tools:
        await old.ask("POST", each, "config", json=configuration("web"))
    taken = await deployed(new, tool)
    await new.end()
    before = await document(tool, taken)
    assert before.data["form"] == FORM + 1
    _, shown = await old.ask("GET", tool, f"deploy/{taken}")
    assert shown["data"]["status"] in ("PENDING", "RUNNING")
    assert "a newer version of the service manages" in shown["messages"]["warning"][0]
    assert (await old.ask("PUT", tool, f"deploy/{taken}/cancel"))[0] == 503
    assert (await old.ask("DELETE", tool, f"deploy/{taken}"))[0] == 409
    waiting = await deployed(old, tool)
    # It has completed all that it knows, so it has scanned everything.
    own = await deployed(old, another)
    end_builds(builds)
    await old.until(another, own, "FINISHED")
    assert await document(tool, taken) == before
    assert (await old.ask("GET", tool, f"deploy/{waiting}"))[1]["data"]["status"] == "PENDING"
    new = await start(newer)
    await new.until(tool, taken, "FINISHED")
    await new.until(tool, waiting, "RUNNING")
    end_builds(builds)
    await new.until(tool, waiting, "FINISHED")
    assert sum(builds.started.values()) == 3
