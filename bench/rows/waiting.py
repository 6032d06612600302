"""What is done while nobody asks: open deployments, and an idle instance on Kubernetes."""

import asyncio
import signal
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from backends.stores.base import DocumentState
from backends.stores.secret_documents import secret_of, selector
from bench.cluster import Cluster, cluster
from bench.context import Bench, tools_of
from bench.processes import share, start, stop
from bench.replay import secrets
from bench.rounds import Result, Round
from bench.row import Better, Row, Unit
from bench.tools import each_of

OPEN, BUILDS, PACE_SECONDS = 2000, 5, 10.0
"""An open deployment that does not change is asked about every ten seconds."""

UNTIL_SETTLED = 30.0
"""Until then, each pause between two questions is longer than the one before."""

DOCUMENTS, OF_A_TOOL = 20_000, 20
IDLE_SECONDS, SETTLING_SECONDS = 5.0, 1.0


async def open_deployments(bench: Bench) -> Result:
    """Measure the service, and beside it a program that only asks the builder."""
    settings = {"SIMULATED_BUILD_SECONDS": "80000"}  # all of them stay pending
    command = ("-m", "bench.bare", "ask", str(OPEN), str(BUILDS), str(PACE_SECONDS))
    async with bench.service(**settings) as service, tools_of(service) as tools:

        async def deploy(tool: str) -> None:
            await tools.configure(tool, BUILDS)
            await tools.deploy(tool)

        await each_of((f"tool-{number}" for number in range(OPEN)), deploy)
        asking = await start(bench.cores, bench.file("ask.log"), *command, env={})
        try:
            await asyncio.sleep(UNTIL_SETTLED)
            return await _side_by_side(bench, service.process.pid, asking.pid)
        finally:
            await stop(asking)


async def _side_by_side(bench: Bench, service: int, asking: int) -> Result:
    """Compare the shares of a core of two processes in the same seconds, a whole pace at a time."""
    rounds = []
    for _ in range(bench.rounds):
        shares = await asyncio.gather(*(share([pid], PACE_SECONDS) for pid in (service, asking)))
        rounds.append(Round(*shares))
    return Result(tuple(rounds))


async def _fill(of: Cluster, number: int) -> None:
    """Store that many sealed documents, some for each tool, as the service would."""
    tools = [f"idle-{each}" for each in range(number // OF_A_TOOL)]
    await of.make_namespaces(tools)

    async def store(tool: str) -> None:
        for each in range(OF_A_TOOL):
            name = f"{tool}-deploy-20240404120000-{each}"
            secret = secret_of("deployment", name, {"deploy-id": name}, DocumentState.SEALED)
            await of.call("POST", secrets(tool), secret)

    await each_of(tools, store)


async def idle_instance(bench: Bench) -> Result:
    """Measure the API server while one idle instance uses it, and while only a watch does."""
    of = await bench.once(cluster)
    await _fill(of, DOCUMENTS)
    settings = {"STORE": "kubernetes", **of.settings}
    async with bench.service(**settings) as service, _watch(of):
        pids = of.pids
        rounds = []
        for _ in range(bench.rounds):
            await asyncio.sleep(SETTLING_SECONDS)
            busy = await share(pids, IDLE_SECONDS)
            service.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(SETTLING_SECONDS)
            quiet = await share(pids, IDLE_SECONDS)
            service.process.send_signal(signal.SIGCONT)
            rounds.append(Round(busy, quiet))
    result = Result(tuple(rounds))
    more = statistics.median(each.measured - each.limit for each in rounds)
    return result.with_count(round(more * 1000, 1), "ms of its time each second more")


@asynccontextmanager
async def _watch(of: Cluster) -> AsyncIterator[None]:
    """Watch all documents, as a client that keeps itself informed would."""
    query = {"watch": "1", "labelSelector": selector("deployment", open_only=True)}
    watching = of.session.get(
        f"{of.server.url}/api/v1/secrets", params=query, timeout=aiohttp.ClientTimeout(total=None)
    )
    async with watching as response:
        response.raise_for_status()
        yield
        response.close()


ROWS = (
    Row(
        "open-deployments", f"{OPEN:,} open deployments of {BUILDS} builds, memory, nobody asking",
        f"the builder's questions alone, each deployment once in {PACE_SECONDS:.0f} s",
        Unit.SHARE, Better.LOWER, "10 % of a core", open_deployments,
    ),
    Row(
        "idle-instance", f"the API server with an idle instance and {DOCUMENTS:,} documents",
        "the API server with one watch", Unit.SHARE, Better.LOWER, "does not grow with documents",
        idle_instance,
    ),
)  # fmt: skip
