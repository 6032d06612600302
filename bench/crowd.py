"""A service with a number of tools, each with a configuration and a finished deployment."""

import json
from dataclasses import dataclass

from aiohttp.test_utils import TestServer

from backends.builders.simulated import SimulatedBuilder
from backends.stores.memory import MemoryStore
from bench.context import Bench, tools_of
from bench.processes import Server
from bench.rounds import Result, Round
from bench.tools import Tools, each_of
from components.engine.configurations.documents import CONFIGURATION
from components.engine.deployments.documents import DEPLOYMENT
from components.http.app import create_app
from components.settings import Settings

SHARES, COMPONENTS = 5, 5


@dataclass(frozen=True, slots=True)
class Crowd:
    """The service, and the growth of its memory with each share of the tools."""

    service: Server
    growth: Result


async def crowd(bench: Bench) -> Crowd:
    """Fill a service, share by share; use it with `Bench.once`."""
    return await filled(bench, bench.many)


async def filled(bench: Bench, number: int) -> Crowd:
    """Start a service and give it that many tools; it runs until the end of the run."""
    service = await bench.stack.enter_async_context(bench.service(SIMULATED_BUILD_SECONDS="0"))
    size, share, rounds = await document_bytes(), number // SHARES, []
    async with tools_of(service) as tools:
        await finished(tools, "warm")
        before = service.resident_bytes()
        for start in range(0, number, share):
            await each_of(
                (f"tool-{each}" for each in range(start, start + share)),
                lambda tool: finished(tools, tool),
            )
            after = service.resident_bytes()
            rounds.append(Round(after - before, size * share))
            before = after
    return Crowd(service, Result(tuple(rounds), number, "tools"))


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
