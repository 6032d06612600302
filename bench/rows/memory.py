"""Memory: of an idle instance, and of what many tools have stored."""

import aiohttp

from bench.context import Bench
from bench.crowd import COMPONENTS, crowd
from bench.processes import Server
from bench.rounds import Result, alternate
from bench.row import Better, Row, Unit


async def idle_memory(bench: Bench) -> Result:
    """Measure a service that has answered one request, and a plain aiohttp server that has."""

    async def used(server: Server) -> float:
        url = f"{server.url}/healthz"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            response.raise_for_status()
        return server.resident_bytes()

    async def ours() -> float:
        async with bench.service() as service:
            return await used(service)

    async def bare() -> float:
        async with bench.bare(b"{}") as server:
            return await used(server)

    return await alternate(bench.rounds, ours, bare)


async def stored_memory(bench: Bench) -> Result:
    """Return by how much the service grew: once, because it takes long to fill it."""
    grown = await bench.once(crowd)
    found = Result((grown.growth,))
    return found.with_count(round(grown.last.ratio, 2), "times the JSON for each of the last tools")


ROWS = (
    Row(
        "idle-memory", "memory of an idle instance, memory store",
        "a bare aiohttp server", Unit.BYTES, Better.LOWER, "50 MiB", idle_memory,
    ),
    Row(
        "stored-memory", f"memory of many tools, a configuration of {COMPONENTS} components "
        "and a deployment each", "the documents' JSON", Unit.BYTES, Better.LOWER, "3",
        stored_memory,
    ),
)  # fmt: skip
