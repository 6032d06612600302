"""Reads on the Kubernetes store, against a plain aiohttp client that reads the same Secret."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable

from bench.cluster import Cluster, cluster
from bench.context import Bench, tools_of
from bench.load import CONNECTIONS, Request, Work
from bench.processes import ROOT
from bench.replay import secrets
from bench.rounds import Result, alternate
from bench.row import Better, Row, Unit
from bench.tools import Tools, get
from tests.cluster.apiserver import SERVICE

COMPONENTS = 20
RAW = "a bare aiohttp client that reads that Secret"

Prepare = Callable[[Tools, str], Awaitable[tuple[Request, str]]]
"""Prepares a tool; returns the request, and the name of the Secret that it reads."""


async def _config(tools: Tools, tool: str) -> tuple[Request, str]:
    await tools.configure(tool, COMPONENTS)
    return get(tool, "config"), "components-config"


async def _deployment(tools: Tools, tool: str) -> tuple[Request, str]:
    deploy_id = await tools.finished(tool, COMPONENTS)
    return get(tool, "deploy", deploy_id), deploy_id


async def raw_rate(bench: Bench, of: Cluster, path: str) -> float:
    """Return how many reads a plain client makes in a second of its processor time."""
    arguments = (f"{of.server.url}{path}", f"{SERVICE}-token", of.certificate)
    with bench.cores.serving():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.bare", "read", *arguments,
            str(bench.seconds), str(CONNECTIONS), cwd=ROOT, stdout=PIPE,
        )  # fmt: skip
    output, _ = await process.communicate()
    return float(output)


async def against_raw(bench: Bench, prepare: Prepare, tool: str) -> Result:
    """Measure one kind of request."""
    of = await bench.once(cluster)
    await of.make_namespaces([tool])
    settings = {"STORE": "kubernetes", "SIMULATED_BUILD_SECONDS": "0"}
    async with bench.service(**settings, **of.settings) as service, tools_of(service) as tools:
        request, secret = await prepare(tools, tool)
        return await alternate(
            bench.rounds,
            lambda: bench.rate(service, Work((request,))),
            lambda: raw_rate(bench, of, f"{secrets(tool)}/{secret}"),
        )


def _row(name: str, what: str, prepare: Prepare) -> Row:
    async def measure(bench: Bench) -> Result:
        return await against_raw(bench, prepare, name)

    return Row(name, what, RAW, Unit.RATE, Better.HIGHER, "0.7", measure)


ROWS = (
    _row("kubernetes-config", "GET config, 20 components, Kubernetes store", _config),
    _row(
        "kubernetes-deployment", "GET a final deployment, 20 builds, Kubernetes store", _deployment
    ),
)
