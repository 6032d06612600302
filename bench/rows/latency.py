"""How long others wait while deployments run."""

import asyncio
import statistics

from bench.client import at_rate
from bench.context import Bench, tools_of
from bench.load import CONNECTIONS, address_of
from bench.processes import Server
from bench.rounds import Result, alternate
from bench.row import Better, Row, Unit
from bench.tools import Tools, each_of, get

DEPLOYMENTS, COMPONENTS = 50, 20
BYSTANDER = "bystander"
RATE = 300.0
"""GETs in a second: a fraction of what the service can answer."""

LONGER = 2
"""How much longer than others this row is measured: the p99 of few requests means little."""


async def _p99(bench: Bench, service: Server) -> float:
    """Return the 99th percentile of the time that a GET takes, in seconds."""
    address = address_of(service.url)
    message = get(BYSTANDER, "config").message(address)
    times = await at_rate(address, message, CONNECTIONS, RATE, LONGER * bench.seconds)
    return statistics.quantiles(times, n=100)[-1]


async def while_deploying(bench: Bench) -> Result:
    """Compare rounds in which all deployments start, run and end with rounds without."""
    seconds = str(bench.seconds)  # of a build: half of a round
    async with (
        bench.service(SIMULATED_BUILD_SECONDS=seconds) as service,
        tools_of(service) as tools,
    ):
        names = [f"tool-{number}" for number in range(DEPLOYMENTS)]
        for name in (BYSTANDER, *names):
            await tools.configure(name, COMPONENTS)

        async def busy() -> float:
            deploying = asyncio.create_task(_deploy_all(tools, names))
            found = await _p99(bench, service)
            await deploying
            return found

        return await alternate(bench.rounds, busy, lambda: _p99(bench, service))


async def _deploy_all(tools: Tools, names: list[str]) -> None:
    async def deploy(name: str) -> None:
        await tools.until_final(name, await tools.deploy(name))

    await each_of(names, deploy)


ROWS = (
    Row(
        "latency", f"p99 of GET config while {DEPLOYMENTS} deployments of {COMPONENTS} builds run",
        "the same without them", Unit.SECONDS, Better.LOWER, "3", while_deploying,
    ),
)  # fmt: skip
