"""The time of POST deploy, against the calls that it has to make."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from bench.cluster import cluster
from bench.context import Bench, tools_of
from bench.processes import Server, server
from bench.replay import Recorded, documents, seconds_of
from bench.rounds import Result, Round, alternate
from bench.row import Better, Row, Unit
from tests.cluster.conftest import PREFIX

LAUNCHED, CALL_SECONDS = 50, 0.2
COMPONENTS, SHORT_CALL_SECONDS = 20, 0.05


@asynccontextmanager
async def builds_service(bench: Bench, seconds: float) -> AsyncIterator[Server]:
    """Run a builds service that takes some seconds for each call."""
    command = ("-m", "bench.builds", "{port}", str(seconds))
    async with server(bench.cores, bench.file("builds.log"), *command, measured=False) as started:
        yield started


def builder(builds: Server) -> dict[str, str]:
    """Return the settings of the service that use it."""
    return {"BUILDER": "toolforge", "TOOLFORGE_URL": f"{builds.url}/gateway"}


async def one_start(builds: Server) -> float:
    """Return how many seconds one start takes."""
    url = f"{builds.url}/gateway/builds/v1/tool/bare/builds"
    body = {"source_url": "https://git.example.org/mytool", "ref": "main", "image_name": "web"}
    async with aiohttp.ClientSession(headers={"X-Toolforge-Tool": "bare"}) as session:
        began = time.perf_counter()
        async with session.post(url, json=body) as response:
            await response.read()
            response.raise_for_status()
        return time.perf_counter() - began


async def _most_in_flight(builds: Server) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{builds.url}/most") as response:
        return int(await response.json())


async def launch(bench: Bench) -> Result:
    """Measure a deployment of fifty builds on the memory store."""
    most = 0
    async with (
        builds_service(bench, CALL_SECONDS) as builds,
        bench.service(**builder(builds)) as service,
        tools_of(service) as tools,
    ):
        names = iter(f"tool-{number}" for number in range(bench.rounds))

        async def deploy() -> float:
            nonlocal most
            name = next(names)
            await tools.configure(name, LAUNCHED)
            await _most_in_flight(builds)
            began = time.perf_counter()
            await tools.deploy(name)
            took = time.perf_counter() - began
            most = max(most, await _most_in_flight(builds))
            return took

        found = await alternate(bench.rounds, deploy, lambda: one_start(builds))
        return found.with_count(most, "in flight")


async def deploy_on_kubernetes(bench: Bench) -> Result:
    """Measure a deployment on the Kubernetes store, each round with a new tool."""
    of = await bench.once(cluster)
    async with (
        builds_service(bench, SHORT_CALL_SECONDS) as builds,
        bench.service(STORE="kubernetes", **builder(builds), **of.settings) as service,
        tools_of(service) as tools,
    ):
        names = [f"deploy-{number}" for number in range(bench.rounds + 1)]
        await of.make_namespaces(names)
        rounds, calls = [], 0

        async def deploy(name: str) -> tuple[float, Recorded]:
            await tools.configure(name, COMPONENTS)
            before, since = await documents(of, name), of.audited()
            began = time.perf_counter()
            await tools.deploy(name)
            took = time.perf_counter() - began
            made = of.calls(since, PREFIX + name)
            return took, Recorded(name, tuple(made), before, await documents(of, name))

        await deploy(names.pop())  # the first one opens the connections
        for name in names:
            took, recorded = await deploy(name)
            calls = len(recorded.calls)
            bare = await seconds_of(of, recorded, f"bare-{name}") + await one_start(builds)
            rounds.append(Round(took, bare))
    return Result(tuple(rounds), calls, "calls")


ROWS = (
    Row(
        "launch-50", f"POST deploy, {LAUNCHED} builds, 200 ms a call, toolforge",
        "one call", Unit.SECONDS, Better.LOWER, "1.5, 50 in flight", launch,
    ),
    Row(
        "kubernetes-deploy", f"POST deploy, {COMPONENTS} builds, Kubernetes store, toolforge",
        "its API calls one after another, and one start", Unit.SECONDS, Better.LOWER, "1.3",
        deploy_on_kubernetes,
    ),
)  # fmt: skip
