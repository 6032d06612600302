"""One run: `python -m tests.chaos --minutes 10 --tools 50 --seed 1`. Exits with 1 if it failed."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.chaos.verdict import problems, settle
from tests.chaos.workload import Tool
from tests.chaos.world import FAKETIME, World, can_run


async def main(minutes: float, number: int, seed: int, directory: Path) -> int:
    """Run, print the figures, and return how many things were not as they must be."""
    loop = asyncio.get_running_loop()
    world = World(directory, Random(seed))
    names = [f"chaos-{n}" for n in range(number)]
    tools = [Tool(name, world.urls, Random(f"{seed} {name}")) for name in names]
    stop = asyncio.Event()
    try:
        await world.start(names)
        working = [asyncio.create_task(tool.work(stop)) for tool in tools]
        await world.disturb(loop.time() + minutes * 60)
        stop.set()
        await asyncio.gather(*working)
        stood_still = await settle(world)
        found = await problems(world, tools, stood_still)
        started = await world.started()
    finally:
        await world.stop()
    figures = {
        "seed": seed,
        "instances killed": world.done["killed"],
        "times the API server was suspended": world.done["suspended"],
        "clock of one instance": "an hour off" if Path(FAKETIME).exists() else "right: no faketime",
        "requests": sum(tool.requests for tool in tools),
        "of which met an outage": sum(tool.failures for tool in tools),
        "deployments acknowledged": sum(len(tool.acknowledged) for tool in tools),
        "builds started": sum(started.values()),
        "started more than once": sum(each - 1 for each in started.values()),
        "longest standstill after the last fault, in s": round(stood_still, 1),
        "not as it must be": len(found),
    }
    for what, figure in figures.items():
        print(f"{what}: {figure}")
    for each in found[:50]:
        print(f"  {each}")
    return len(found)


if __name__ == "__main__":
    # Connections of what is killed end in the middle of things; that is what this is about.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--tools", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if missing := can_run():
        sys.exit(missing)
    with TemporaryDirectory(prefix="components-chaos-", ignore_cleanup_errors=True) as name:
        run = main(options.minutes, options.tools, options.seed, Path(name))
        failed = asyncio.run(run)
    sys.exit(1 if failed else 0)
