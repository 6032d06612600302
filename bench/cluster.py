"""A real API server for the rows that need one, and what it was asked, from its audit log."""

import asyncio
import json
import os
import shutil
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config

from bench.context import Bench
from bench.row import Skipped
from bench.tools import each_of
from tests.cluster.apiserver import ADMINISTRATOR, SERVICE, ApiServer
from tests.cluster.assets.__main__ import cache, key
from tests.cluster.conftest import PREFIX, bind_rights

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the API server, as its audit log has it."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running API server, and a client of its administrator."""

    server: ApiServer
    session: aiohttp.ClientSession

    @property
    def settings(self) -> dict[str, str]:
        """The variables, besides ours, with which the service uses it."""
        return {"KUBECONFIG": str(self.server.kubeconfig(SERVICE))}

    @property
    def certificate(self) -> str:
        """The file of its CA."""
        return str(self.server.directory / "certificates/apiserver.crt")

    @property
    def pids(self) -> list[int]:
        """The processes that answer."""
        return [each.pid for each in self.server.processes.values()]

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Make one call. Raises `aiohttp.ClientResponseError` for another answer than 2xx."""
        sending = self.session.request(method, self.server.url + path, json=body)
        async with sending as response:
            content = await response.read()
            response.raise_for_status()
            found: Json = json.loads(content)
            return found

    async def make_namespaces(self, tools: Iterable[str]) -> None:
        """Make the namespaces of new tools."""

        async def make(tool: str) -> None:
            await self.call("POST", "/api/v1/namespaces", {"metadata": {"name": PREFIX + tool}})

        await each_of(tools, make)

    def audited(self) -> int:
        """Return how much there is of the audit log now."""
        return self._log.stat().st_size

    def calls(self, since: int, namespace: str) -> list[Call]:
        """Return the service's calls in a namespace since then, in the order of their ends."""
        with self._log.open() as log:
            log.seek(since)
            events = [json.loads(line) for line in log]
        return [
            Call(_METHODS[each["verb"]], each["requestURI"])
            for each in events
            if each.get("objectRef", {}).get("namespace") == namespace
        ]

    @property
    def _log(self) -> Path:
        return self.server.directory / "audit.log"


_METHODS = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "delete": "DELETE"}


def assets() -> Path:
    """Return the directory of the programs. Raises `Skipped` if there is none."""
    found = Path(os.environ.get("KUBEBUILDER_ASSETS") or cache() / key())
    if not (found / "kube-apiserver").exists():
        raise Skipped("there is no API server: set KUBEBUILDER_ASSETS, or run make cluster-assets")
    if shutil.which("openssl") is None:
        raise Skipped("openssl is needed to start an API server")
    return found


async def cluster(bench: Bench) -> Cluster:
    """Start the API server of a run; use it with `Bench.once`."""
    directory = bench.file("cluster")
    directory.mkdir()
    server = ApiServer(assets(), directory)
    bench.stack.callback(server.stop)
    await asyncio.to_thread(server.start)
    configuration = client.Configuration()
    kubeconfig = str(server.kubeconfig(ADMINISTRATOR))
    await config.load_kube_config(kubeconfig, client_configuration=configuration)
    async with client.ApiClient(configuration) as admin:
        await bind_rights(admin, {})
    context = ssl.create_default_context(cafile=directory / "certificates/apiserver.crt")
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context),
        headers={"Authorization": f"Bearer {ADMINISTRATOR}-token"},
    )
    return Cluster(server, await bench.stack.enter_async_context(session))
