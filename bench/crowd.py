"""A service with a number of tools, each with a configuration and a finished deployment."""

import json
from dataclasses import dataclass

from aiohttp.test_utils import TestServer

from backends.builders.simulated import SimulatedBuilder
from backends.stores.memory import MemoryStore
from bench.context import Bench, tools_of
from bench.processes import Server
from bench.rounds import Round
from bench.tools import Tools, each_of
from components.engine.configurations.documents import CONFIGURATION
from components.engine.deployments.documents import DEPLOYMENT
from components.http.app import create_app
from components.settings import Settings

COMPONENTS = 5

SHARES = 5
"""The last of so many parts of the tools shows what one more tool takes."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """The service, and the growth of its memory, in all and with the last share of the tools."""

    service: Server
    growth: Round
    last: Round


async def crowd(bench: Bench) -> Crowd:
    """Fill a service with many tools; use it with `Bench.once`."""
    return await filled(bench, bench.many)


async def filled(bench: Bench, number: int) -> Crowd:
    """Start a service and give it that many tools; it runs until the end of the run."""
    service = await bench.stack.enter_async_context(bench.service(SIMULATED_BUILD_SECONDS="0"))
    size, last = await document_bytes(), number // SHARES
    async with tools_of(service) as tools:

        async def fill(names: range) -> None:
            await each_of(map("tool-{}".format, names), lambda tool: finished(tools, tool))

        await finished(tools, "warm")
        empty = service.resident_bytes()
        await fill(range(number - last))
        almost = service.resident_bytes()
        await fill(range(number - last, number))
        full = service.resident_bytes()
    return Crowd(service, Round(full - empty, size * number), Round(full - almost, size * last))


async def finished(tools: Tools, tool: str) -> str:
    """Give a tool its configuration and its deployment; return the deployment's id."""
    return await tools.finished(tool, COMPONENTS)


async def document_bytes() -> int:
    """Return how many bytes of JSON one tool has in the store."""
    store, tool = MemoryStore(), "tool-5000"
    server = TestServer(create_app(Settings(), store, SimulatedBuilder(0)))
    async with server, Tools.at(str(server.make_url("")).rstrip("/")) as tools:
        await finished(tools, tool)
        listing = await store.list(tool, CONFIGURATION, DEPLOYMENT)
    return sum(len(json.dumps(each.data, ensure_ascii=False)) for each in listing.documents)
