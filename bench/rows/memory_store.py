"""Requests on the memory store, against a plain aiohttp server with the same bytes."""

from collections.abc import Awaitable, Callable

from bench.context import Bench, tools_of
from bench.load import CONNECTIONS, Request, Work
from bench.rounds import Result, alternate
from bench.row import Better, Row, Unit
from bench.tools import Tools, get, posts

TOOL, COMPONENTS = "mytool", 20
BARE = "a bare aiohttp handler with the same bytes"

Prepare = Callable[[Tools], Awaitable[Work]]


async def _config(tools: Tools) -> Work:
    await tools.configure(TOOL, COMPONENTS)
    return Work((get(TOOL, "config"),))


async def _deployment(tools: Tools) -> Work:
    return Work((get(TOOL, "deploy", await tools.finished(TOOL, COMPONENTS)),))


async def _deployments(tools: Tools) -> Work:
    await tools.finished(TOOL, COMPONENTS)
    return Work((get(TOOL, "deploy"),))


async def _health(tools: Tools) -> Work:
    return Work((Request("/healthz"),))


async def _posted(tools: Tools) -> Work:
    # Of several tools: two requests that change the same configuration are in each other's way.
    return posts([f"{TOOL}-{number}" for number in range(4 * CONNECTIONS)], COMPONENTS)


async def against_bare(bench: Bench, prepare: Prepare) -> Result:
    """Measure one kind of request."""
    async with bench.service(SIMULATED_BUILD_SECONDS="0") as service, tools_of(service) as tools:
        work = await prepare(tools)
        async with bench.bare(await tools.send(work.requests[0])) as bare:
            return await alternate(
                bench.rounds, lambda: bench.rate(service, work), lambda: bench.rate(bare, work)
            )


def _row(name: str, what: str, target: str, prepare: Prepare) -> Row:
    async def measure(bench: Bench) -> Result:
        return await against_bare(bench, prepare)

    return Row(name, what, BARE, Unit.RATE, Better.HIGHER, target, measure)


ROWS = (
    _row("get-config", "GET config, 20 components, memory", "0.5", _config),
    _row("get-deployment", "GET a final deployment, 20 builds, memory", "0.5", _deployment),
    _row(
        "list-deployments", "GET the list of one deployment, 20 builds, memory", "0.3", _deployments
    ),
    _row("healthz", "GET /healthz", "0.7", _health),
    _row("post-config", "POST config, 20 components, memory", "0.15", _posted),
)
