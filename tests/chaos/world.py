"""The processes of a run: an API server, a builds service, and three instances of the service."""

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from kubernetes_asyncio import client, config

from helm.check import rendered
from tests.cluster.apiserver import ADMINISTRATOR, SERVICE, ApiServer, free_port
from tests.cluster.conftest import PREFIX, RBAC, apply
from tests.cluster.proxy import Proxy, cut, lose_answer

INSTANCES = 3
NAMESPACE = "components"
LAUNCH_SECONDS = 15
BUILD_SECONDS = 1.5
CUT = 0.01
"""How often a connection to the API server is cut, before or after it has carried a call out."""

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
COMPONENTS = Path(sys.executable).with_name("components")


@dataclass
class Faulty(Proxy):
    """A way to the API server on which connections are cut at random, while `rate` is not 0."""

    random: Random = field(default_factory=Random)
    rate: float = 0.0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.random.random() < self.rate:
            fault = self.random.choice((cut, lose_answer))
            return await fault(self, request)
        return await self.forward(request)


@dataclass
class World:
    """All that runs. What is done to it is random, by the seed."""

    directory: Path
    random: Random
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(INSTANCES)])
    instances: list[Process | None] = field(default_factory=lambda: [None] * INSTANCES)
    done: dict[str, int] = field(default_factory=lambda: {"killed": 0, "suspended": 0})
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def urls(self) -> list[str]:
        """Where the instances are."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    async def start(self, tools: list[str]) -> None:
        """Start everything, and make the tools' namespaces."""
        self.server = ApiServer(Path(os.environ["KUBEBUILDER_ASSETS"]), self.directory)
        self.stack.callback(self.server.stop)
        await asyncio.to_thread(self.server.start)
        self.admin = await self._admin()
        for name in (NAMESPACE, *(PREFIX + tool for tool in tools)):
            await apply(self.admin, "/api/v1/namespaces", {"metadata": {"name": name}})
        await self._rights()
        await self._proxy()
        self.builds_port = free_port()
        await self._builds()
        for number in range(INSTANCES):
            await self.launch(number)

    async def _admin(self) -> client.ApiClient:
        configuration = client.Configuration()
        kubeconfig = str(self.server.kubeconfig(ADMINISTRATOR))
        await config.load_kube_config(kubeconfig, client_configuration=configuration)
        return await self.stack.enter_async_context(client.ApiClient(configuration))

    async def _rights(self) -> None:
        """The chart's own, and no more."""
        user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": SERVICE}
        for each in rendered({}):
            if each["apiVersion"] == "rbac.authorization.k8s.io/v1":
                if each["kind"].endswith("Binding"):
                    each["subjects"] = [user]
                kind = each["kind"].lower() + "s"
                namespace = each["metadata"].get("namespace")
                where = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
                await apply(self.admin, f"{where}/{kind}", each)

    async def _proxy(self) -> None:
        self.proxy = Faulty(self.server.url, random=self.random)
        app = web.Application(client_max_size=2**22)
        app.router.add_route("*", "/{path:.*}", self.proxy.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        kubeconfig = yaml.safe_load(self.server.kubeconfig(SERVICE).read_text())
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        kubeconfig["clusters"][0]["cluster"] = {"server": address}
        (self.directory / "proxied.kubeconfig").write_text(yaml.safe_dump(kubeconfig))

    async def _builds(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.builders.toolforge.builds_service",
            f"--port={self.builds_port}", f"--seconds={BUILD_SECONDS}", "--latency=0.1",
            "--fail=0.02", "--cut=0.02", "--kept=100000", f"--seed={self.random.randrange(2**31)}",
            stdout=DEVNULL, stderr=DEVNULL,
        )  # fmt: skip
        self.stack.push_async_callback(_stop, process)

    async def launch(self, number: int) -> None:
        """Start an instance; the clock of the last one is an hour ahead, where that can be done."""
        env = {
            **os.environ,
            "KUBECONFIG": str(self.directory / "proxied.kubeconfig"),
            "COMPONENTS_PORT": str(self.ports[number]),
            "COMPONENTS_STORE": "kubernetes",
            "COMPONENTS_BUILDER": "toolforge",
            "COMPONENTS_TOOLFORGE_URL": f"http://127.0.0.1:{self.builds_port}",
            "COMPONENTS_MEMBERS": "kubernetes",
            "COMPONENTS_MEMBERS_NAMESPACE": NAMESPACE,
            "COMPONENTS_LAUNCH_TIMEOUT": str(LAUNCH_SECONDS),
            "COMPONENTS_DEPLOYMENTS_KEPT": "400",
            "COMPONENTS_WRITES_PER_MINUTE": "0",
            "COMPONENTS_READS_PER_MINUTE": "0",
            "COMPONENTS_MAX_HELD": "0",
        }
        if number == INSTANCES - 1 and Path(FAKETIME).exists():
            env |= {"LD_PRELOAD": FAKETIME, "FAKETIME": "+1h", "DONT_FAKE_MONOTONIC": "1"}
        log = (self.directory / f"instance-{number}.log").open("ab")
        with log:
            self.instances[number] = await asyncio.create_subprocess_exec(
                COMPONENTS, "serve", env=env, stderr=log
            )

    async def disturb(self, until: float) -> None:
        """Kill, suspend and cut at random moments until the loop's time `until`; then mend all."""
        loop = asyncio.get_running_loop()
        self.proxy.rate = CUT
        while loop.time() < until:
            await asyncio.sleep(self.random.uniform(2, 6))
            if self.random.random() < 0.25:
                await self._suspend()
            else:
                await self._kill()
        self.proxy.rate = 0.0

    async def _kill(self) -> None:
        number = self.random.randrange(INSTANCES)
        await _stop(self.instances[number], signal.SIGKILL)
        self.done["killed"] += 1
        await asyncio.sleep(self.random.uniform(0, 3))
        await self.launch(number)

    async def _suspend(self) -> None:
        self.server.signal(signal.SIGSTOP)
        self.done["suspended"] += 1
        try:
            await asyncio.sleep(self.random.uniform(1, 6))
        finally:
            self.server.signal(signal.SIGCONT)

    async def started(self) -> dict[str, int]:
        """Return how many builds were started, by what for."""
        url = f"http://127.0.0.1:{self.builds_port}/started"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            counts: dict[str, int] = await response.json()
        return counts

    async def documents(self, kind: str) -> list[dict[str, Any]]:
        """Return the Secrets of all documents of a kind, as the API server has them."""
        answer: Any = await client.CoreV1Api(self.admin).list_secret_for_all_namespaces(
            label_selector=f"components-api/kind={kind}", _preload_content=False
        )
        items: list[dict[str, Any]] = (await answer.json())["items"]
        return items

    async def stop(self) -> None:
        """End everything."""
        for each in self.instances:
            await _stop(each, signal.SIGKILL)
        await self.stack.aclose()


async def _stop(process: Process | None, number: signal.Signals = signal.SIGTERM) -> None:
    if process is not None and process.returncode is None:
        process.send_signal(number)
        await process.wait()


def can_run() -> str:
    """Return what is missing for a run; empty where nothing is."""
    assets = os.environ.get("KUBEBUILDER_ASSETS", "")
    if not (Path(assets) / "kube-apiserver").exists() or shutil.which("openssl") is None:
        return "KUBEBUILDER_ASSETS must name a directory with etcd and kube-apiserver"
    return ""
