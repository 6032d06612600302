"""Two hundred concurrent deployments of one tool, through two instances with a limit of one."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pytest_aiohttp.plugin import AiohttpServer

from components.engine.queue.documents import QUEUE, queue_of
from tests.builders.toolforge.builds_service import BuildsService
from tests.cluster.apiserver import SERVICE
from tests.cluster.conftest import Cluster, OpenStore
from tests.conftest import unmeasured
from tests.factories import configuration
from tests.http.conftest import HEADER

COMPONENTS = Path(sys.executable).with_name("components")
PEOPLE = 200
MAX_QUEUED = 5
LAUNCH_SECONDS = 5


@dataclass
class Instances:
    """Two processes of the service, a builds service whose builds do not end, and a tool."""

    tool: str
    builds: BuildsService
    processes: list[Process]
    urls: list[str]
    session: aiohttp.ClientSession

    async def ask(self, method: str, number: int, path: str, **asked: Any) -> tuple[int, Any]:
        """Call an instance; return the status and the body, or 0 if it does not respond."""
        url = f"{self.urls[number]}/api/v1/tool/{self.tool}/{path}"
        try:
            async with self.session.request(method, url, **asked) as response:
                return response.status, await response.json()
        except aiohttp.ClientError:
            return 0, None

    async def deploy_all_at_once(self, kill_after: int | None = None) -> list[tuple[int, Any]]:
        """Send all deployments; return the responses. One instance may be killed after some of
        them."""
        asking = [
            asyncio.create_task(self.ask("POST", n % 2, "deploy", json={"description": str(n)}))
            for n in range(PEOPLE)
        ]
        if kill_after is not None:
            while sum(each.done() for each in asking) < kill_after:
                waiting = [each for each in asking if not each.done()]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            self.processes[1].send_signal(signal.SIGKILL)
            await self.processes[1].wait()
        return await asyncio.gather(*asking)

    async def until(self, deploy_id: str, *statuses: str) -> Any:
        """Return a deployment once it has one of these statuses."""
        async with asyncio.timeout(60):
            while True:
                _, body = await self.ask("GET", 0, f"deploy/{deploy_id}?wait=20")
                launched = body["data"]["builds"]["web"]["build-id"] is not None
                if body["data"]["status"] in statuses and launched:
                    return body["data"]

    async def all_to_the_end(self, line: list[str]) -> None:
        """End the builds one after the other, in the order in which they must start."""
        for deploy_id in line:
            running = await self.until(deploy_id, "RUNNING")
            ids = {each.id: each for each in self.builds.of(self.tool) if not each.is_final}
            assert set(ids) == {running["builds"]["web"]["build-id"]}
            ids[running["builds"]["web"]["build-id"]].end("BUILD_SUCCESS")
            await self.until(deploy_id, "FINISHED")


@pytest.fixture
async def instances(
    cluster: Cluster,
    open_store: OpenStore,
    aiohttp_server: AiohttpServer,
    tools: tuple[str, str],
) -> AsyncIterator[Instances]:
    builds = BuildsService(kept=100)
    server = await aiohttp_server(builds.app())
    environment = {
        **unmeasured(),
        "KUBECONFIG": str(cluster.kubeconfig(SERVICE)),
        "COMPONENTS_PORT": "0",
        "COMPONENTS_STORE": "kubernetes",
        "COMPONENTS_BUILDER": "toolforge",
        "COMPONENTS_TOOLFORGE_URL": str(server.make_url("/")),
        "COMPONENTS_MAX_RUNNING": "1",
        "COMPONENTS_MAX_QUEUED": str(MAX_QUEUED),
        "COMPONENTS_WRITES_PER_MINUTE": "0",
        "COMPONENTS_READS_PER_MINUTE": "0",
        "COMPONENTS_MAX_HELD": "0",
        "COMPONENTS_DEPLOYMENTS_KEPT": "20",
        "COMPONENTS_LAUNCH_TIMEOUT": str(LAUNCH_SECONDS),
    }
    await open_store()  # for the permissions
    async with AsyncExitStack() as stack:
        processes, urls = [], []
        for _ in range(2):
            process = await asyncio.create_subprocess_exec(
                COMPONENTS, "serve", env=environment, stderr=PIPE
            )
            stack.push_async_callback(_end, process)
            processes.append(process)
            assert process.stderr is not None
            while not (found := re.search(rb"listening on (\S+)", await process.stderr.readline())):
                pass
            urls.append(found[1].decode())
            stack.callback(asyncio.create_task(_drain(process.stderr)).cancel)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                headers={HEADER: f"CN={tools[0]},O=toolforge"},
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=60),
            )
        )
        made = Instances(tools[0], builds, processes, urls, session)
        await made.ask("POST", 0, "config", json=configuration("web"))
        yield made


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


async def line_of(open_store: OpenStore, tool: str) -> list[str]:
    """The order in which deployments were accepted."""
    store = await open_store()
    document = await store.get(tool, QUEUE, QUEUE)
    return [each.deploy_id for each in queue_of(document).entries]


async def test_one_deployment_runs_five_wait_and_the_rest_are_rejected(
    instances: Instances, open_store: OpenStore
) -> None:
    answers = await instances.deploy_all_at_once()
    assert Counter(status for status, _ in answers) == {
        201: 1 + MAX_QUEUED,
        409: PEOPLE - 1 - MAX_QUEUED,
    }
    refusals = {body["messages"]["error"][0] for status, body in answers if status == 409}
    assert all(each.startswith("the queue is full, 5 deployments wait") for each in refusals)
    accepted = {body["data"]["deploy-id"] for status, body in answers if status == 201}
    line = await line_of(open_store, instances.tool)
    assert set(line) == accepted
    await instances.all_to_the_end(line)
    assert instances.builds.most_running[instances.tool] == 1
    assert sum(instances.builds.started.values()) == 1 + MAX_QUEUED


@pytest.mark.parametrize("kill_after", [3, 60])
async def test_killing_an_instance_does_not_change_the_queue(
    instances: Instances, open_store: OpenStore, kill_after: int
) -> None:
    answers = await instances.deploy_all_at_once(kill_after)
    assert {status for status, _ in answers} <= {0, 201, 409}
    accepted = {body["data"]["deploy-id"] for status, body in answers if status == 201}
    line = await line_of(open_store, instances.tool)
    assert len(line) == 1 + MAX_QUEUED
    assert accepted <= set(line)
    _, listed = await instances.ask("GET", 0, "deploy")
    stored = {each["deploy-id"] for each in listed["data"]["deployments"]}
    assert accepted <= stored <= set(line)
    # A reservation without a stored deployment was never acknowledged; it expires after a while.
    await instances.all_to_the_end([each for each in line if each in stored])
    assert instances.builds.most_running[instances.tool] == 1
