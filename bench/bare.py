"""The limits of the service: the same work with nothing around it, as programs.

python -m bench.bare answer PORT FILE: a plain aiohttp server that answers each request with a file.
python -m bench.bare read URL TOKEN CA SECONDS CONNECTIONS: a plain aiohttp client that reads an
object of the Kubernetes API again and again; it prints how often in a second of processor time.
python -m bench.bare ask TOOLS BUILDS SECONDS: asks the simulated builder for some builds of each of
some tools, all of them once within these seconds, until it is stopped.
"""

import asyncio
import ssl
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web

from backends.builders.base import BuildRequest, Source
from backends.builders.simulated import SimulatedBuilder

WARM_SECONDS = 0.5
"""In these, all connections are opened."""


async def answer(port: int, file: Path) -> None:
    """Serve until stopped."""
    body = file.read_bytes()

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def read(url: str, token: str, ca: str, seconds: float, connections: int) -> float:
    """Return how many reads fit into a second of this process's processor time."""
    context = ssl.create_default_context(cafile=ca)
    headers = {"Authorization": f"Bearer {token}"}
    connector = aiohttp.TCPConnector(limit=connections, ssl=context)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def until(end: float) -> int:
            number = 0
            while time.monotonic() < end:
                async with session.get(url) as response:
                    await response.read()
                    response.raise_for_status()
                number += 1
            return number

        async def together(seconds: float) -> int:
            end = time.monotonic() + seconds
            return sum(await asyncio.gather(*(until(end) for _ in range(connections))))

        await together(WARM_SECONDS)
        before = time.process_time()
        return await together(seconds) / (time.process_time() - before)


async def ask(tools: int, builds: int, seconds: float) -> None:
    """Ask until stopped."""
    builder = SimulatedBuilder(3600.0)
    now = datetime.now(UTC)
    requests = [
        BuildRequest("tool", f"c{n}", Source("https://example.org/a"), f"{n}", now)
        for n in range(builds)
    ]
    ids = [(await builder.start(each)).id for each in requests]
    while True:
        began = time.monotonic()
        for number in range(tools):
            await builder.get(f"tool-{number}", ids)
            due = began + number * seconds / tools
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)


def main(what: str, *arguments: str) -> None:
    """Run one of the programs."""
    if what == "answer":
        asyncio.run(answer(int(arguments[0]), Path(arguments[1])))
    elif what == "read":
        url, token, ca, seconds, connections = arguments
        print(asyncio.run(read(url, token, ca, float(seconds), int(connections))))
    else:
        asyncio.run(ask(int(arguments[0]), int(arguments[1]), float(arguments[2])))


if __name__ == "__main__":
    main(*sys.argv[1:])
