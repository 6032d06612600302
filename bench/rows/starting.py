"""The time from the start of the process to its first answer."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE

from bench.cluster import cluster
from bench.context import Bench
from bench.processes import ROOT
from bench.rounds import Result, alternate
from bench.row import Better, Row, Unit

MEMORY = ("backends.stores.memory", "backends.builders.simulated")
KUBERNETES = ("backends.stores.kubernetes", "backends.builders.simulated")


async def _importing(bench: Bench, modules: tuple[str, ...]) -> float:
    """Return how many seconds a Python takes to import aiohttp, marshmallow and these modules."""
    code = f"import aiohttp.web, marshmallow, {', '.join(modules)}; print(flush=True)"
    began = time.perf_counter()
    with bench.cores.serving():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, cwd=ROOT, stdout=PIPE
        )
    assert process.stdout is not None
    await process.stdout.readline()
    took = time.perf_counter() - began
    await process.wait()
    return took


async def _answering(bench: Bench, settings: dict[str, str]) -> float:
    """Return how many seconds the service takes to its first answer."""
    began = time.perf_counter()
    async with bench.service(**settings) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status = await reader.readline()
        took = time.perf_counter() - began
        writer.close()
    if b" 200 " not in status:
        raise ConnectionError(f"the first answer is {status!r}")
    return took


async def start_on_memory(bench: Bench) -> Result:
    """Measure the start with the memory store."""
    return await alternate(
        bench.rounds, lambda: _answering(bench, {}), lambda: _importing(bench, MEMORY)
    )


async def start_on_kubernetes(bench: Bench) -> Result:
    """Measure the start with the Kubernetes store."""
    of = await bench.once(cluster)
    settings = {"STORE": "kubernetes", **of.settings}
    return await alternate(
        bench.rounds, lambda: _answering(bench, settings), lambda: _importing(bench, KUBERNETES)
    )


AGAINST = "the import of aiohttp, marshmallow and the backends"

ROWS = (
    Row(
        "start", "start to first answer, memory store",
        AGAINST, Unit.SECONDS, Better.LOWER, "1.2", start_on_memory,
    ),
    Row(
        "kubernetes-start", "start to first answer, Kubernetes store",
        AGAINST, Unit.SECONDS, Better.LOWER, "1.2", start_on_kubernetes,
    ),
)  # fmt: skip
