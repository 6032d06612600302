"""The processes of a run: a control plane, a builds service, and three instances of the service."""

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from kubernetes_asyncio import client, config

from helm.check import rendered
from tests.chaos.links import Link
from tests.chaos.platform import PROGRAMS, environment, start_platform
from tests.cluster.apiserver import ADMINISTRATOR, SERVICE, ApiServer, free_port
from tests.cluster.conftest import PREFIX, RBAC
from tests.cluster.newer import command, make_newer
from tests.cluster.objects import apply

INSTANCES = 3
NAMESPACE = "components"
LAUNCH_SECONDS = 12
SETTLING_SECONDS = 18
"""How long the outcome of a start without a response is unknown; longer than late starts take."""

LATE_SECONDS = 12
BUILD_SECONDS = 1.5
BUILD_TIMEOUT = 20
DEPLOYMENT_TIMEOUT = 45
"""The deployment timeout in seconds: the longest limit of all."""

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Limits:
    """The limits of running, queued and retained deployments of a tool."""

    running: int = 0
    queued: int = 5
    kept: int = 4


UNLIMITED = Limits()
LIMITED = Limits(running=1, queued=2, kept=5)


@dataclass
class World:
    """All processes. Their faults are random, from the seed."""

    directory: Path
    random: Random
    limits: Limits = UNLIMITED
    runs: bool = True
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(INSTANCES)])
    instances: list[Process | None] = field(default_factory=lambda: [None] * INSTANCES)
    links: list[Link] = field(default_factory=list)
    newer: set[int] = field(default_factory=lambda: {0})
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def urls(self) -> list[str]:
        """The URLs of the instances."""
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    async def start(self, tools: list[str]) -> None:
        """Start everything, and create the tools' namespaces."""
        self.server = ApiServer(Path(os.environ["KUBEBUILDER_ASSETS"]), self.directory)
        self.stack.callback(self.server.stop)
        await asyncio.to_thread(self.server.start)
        self.admin = await self._admin()
        for name in (NAMESPACE, *(PREFIX + tool for tool in tools)):
            await apply(self.admin, "/api/v1/namespaces", {"metadata": {"name": name}})
        await self._rights()
        if self.runs:
            await start_platform(self.server, self.admin, tools, self.stack)
        for number in range(INSTANCES):
            await self._link(number)
        self.builds_port = free_port()
        await self._builds()
        (self.directory / "newer").mkdir()
        self.newer_version = make_newer(self.directory / "newer")
        for number in range(INSTANCES):
            await self.launch(number)

    async def _admin(self) -> client.ApiClient:
        configuration = client.Configuration()
        kubeconfig = str(self.server.kubeconfig(ADMINISTRATOR))
        await config.load_kube_config(kubeconfig, client_configuration=configuration)
        return await self.stack.enter_async_context(client.ApiClient(configuration))

    async def _rights(self) -> None:
        """Grant the permissions of the chart, and no more."""
        user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": SERVICE}
        runner = "kubernetes" if self.runs else "none"
        for each in rendered({"settings": {"runner": runner}}):
            if each["apiVersion"] == "rbac.authorization.k8s.io/v1":
                if each["kind"].endswith("Binding"):
                    each["subjects"] = [user]
                kind = each["kind"].lower() + "s"
                namespace = each["metadata"].get("namespace")
                where = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
                await apply(self.admin, f"{where}/{kind}", each)

    async def _link(self, number: int) -> None:
        link = Link(self.server.url, random=Random(self.random.random()))
        app = web.Application(client_max_size=2**22)
        app.router.add_route("*", "/{path:.*}", link.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        kubeconfig = yaml.safe_load(self.server.kubeconfig(SERVICE).read_text())
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        kubeconfig["clusters"][0]["cluster"] = {"server": address}
        self._kubeconfig(number).write_text(yaml.safe_dump(kubeconfig))
        self.links.append(link)

    def _kubeconfig(self, number: int) -> Path:
        return self.directory / f"link-{number}.kubeconfig"

    async def _builds(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.builders.toolforge",
            f"--port={self.builds_port}", f"--seconds={BUILD_SECONDS}", "--endless=0.01",
            "--latency=0.1", "--hesitate=0.01", "--fail=0.02", "--cut=0.02", "--html=0.01",
            "--slow=0.02", "--late=0.01", f"--late-seconds={LATE_SECONDS}",
            f"--seed={self.random.randrange(2**31)}",
            stdout=DEVNULL, stderr=DEVNULL,
        )  # fmt: skip
        self.stack.push_async_callback(_stop, process)

    async def launch(self, number: int) -> None:
        """Start an instance; the clock of the last one is an hour ahead, if possible.

        The first one has a newer version.
        """
        env = {
            **os.environ,
            "KUBECONFIG": str(self._kubeconfig(number)),
            "COMPONENTS_PORT": str(self.ports[number]),
            "COMPONENTS_STORE": "kubernetes",
            "COMPONENTS_BUILDER": "toolforge",
            "COMPONENTS_TOOLFORGE_URL": f"http://127.0.0.1:{self.builds_port}",
            "COMPONENTS_TOOLFORGE_START_TIMEOUT": str(SETTLING_SECONDS),
            "COMPONENTS_MEMBERS": "kubernetes",
            "COMPONENTS_MEMBERS_NAMESPACE": NAMESPACE,
            "COMPONENTS_LAUNCH_TIMEOUT": str(LAUNCH_SECONDS),
            "COMPONENTS_BUILD_TIMEOUT": str(BUILD_TIMEOUT),
            "COMPONENTS_DEPLOYMENT_TIMEOUT": str(DEPLOYMENT_TIMEOUT),
            "COMPONENTS_MAX_RUNNING": str(self.limits.running),
            "COMPONENTS_MAX_QUEUED": str(self.limits.queued),
            "COMPONENTS_DEPLOYMENTS_KEPT": str(self.limits.kept),
            "COMPONENTS_WRITES_PER_MINUTE": "0",
            "COMPONENTS_READS_PER_MINUTE": "0",
            "COMPONENTS_MAX_HELD": "0",
            **(environment(self.directory) if self.runs else {}),
        }
        if number == INSTANCES - 1 and Path(FAKETIME).exists():
            env |= {"LD_PRELOAD": FAKETIME, "FAKETIME": "+1h", "DONT_FAKE_MONOTONIC": "1"}
        log = (self.directory / f"instance-{number}.log").open("ab")
        version = self.newer_version if number in self.newer else ROOT
        with log:
            self.instances[number] = await asyncio.create_subprocess_exec(
                *command("serve"), env=env, stderr=log, cwd=version
            )

    async def end(self, number: int, how: signal.Signals = signal.SIGKILL) -> None:
        """Stop an instance, and return once it has ended."""
        await _stop(self.instances[number], how)

    async def upgrade(self, number: int) -> None:
        """Replace an instance by the newer version, like a rolling upgrade."""
        if number not in self.newer:
            self.newer.add(number)
            await self.end(number, signal.SIGTERM)
            await self.launch(number)

    def misbehave(self, *, bad: bool) -> None:
        """Turn faults of the connections to the API server on or off."""
        for each in self.links:
            each.bad = bad

    async def mend(self) -> None:
        """End all faults."""
        self.misbehave(bad=False)
        await self.call_builds_service("POST", "mend")

    async def state(self) -> dict[str, dict[str, Any]]:
        """Return every build that the builds service has ever started, by id, with its current
        state."""
        builds: dict[str, dict[str, Any]] = await self.call_builds_service("GET", "state")
        return builds

    async def call_builds_service(self, method: str, what: str) -> Any:
        """Call an endpoint that only the fake builds service has."""
        url = f"http://127.0.0.1:{self.builds_port}/{what}"
        async with aiohttp.ClientSession() as session, session.request(method, url) as response:
            return await response.json()

    async def documents(self, kind: str) -> list[dict[str, Any]]:
        """Return the Secrets of all documents of a kind from the API server."""
        answer: Any = await client.CoreV1Api(self.admin).list_secret_for_all_namespaces(
            label_selector=f"components-api/kind={kind}", _preload_content=False
        )
        items: list[dict[str, Any]] = (await answer.json())["items"]
        return items

    async def sealed(self) -> int:
        """Return the number of settled and retained deployments."""
        return sum(bool(each.get("immutable")) for each in await self.documents("deployment"))

    async def stop(self) -> None:
        """Stop everything."""
        for each in self.instances:
            await _stop(each, signal.SIGKILL)
        await self.stack.aclose()


@asynccontextmanager
async def stopped(process: Process) -> AsyncIterator[None]:
    """Pause a process without ending it."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def _stop(process: Process | None, number: signal.Signals = signal.SIGTERM) -> None:
    if process is not None and process.returncode is None:
        process.send_signal(number)
        await process.wait()


def can_run(*, runs: bool) -> str:
    """Return what a run lacks; empty if nothing."""
    assets = Path(os.environ.get("KUBEBUILDER_ASSETS", ""))
    programs = ("etcd", "kube-apiserver", *(PROGRAMS if runs else ()))
    if not all((assets / each).exists() for each in programs):
        return f"KUBEBUILDER_ASSETS must name a directory with {', '.join(programs)}"
    return "" if shutil.which("openssl") else "openssl is needed"
