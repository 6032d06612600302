"""One run: `python -m tests.chaos --minutes 10 --tools 50 --seed 1`. Exits with 1 if it failed."""

import argparse
import asyncio
import logging
import shutil
import sys
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from tests.chaos.faults import Faults
from tests.chaos.observer import Observer, Record
from tests.chaos.running import Running
from tests.chaos.verdict import LOST, TOO_LATE, problems, settle
from tests.chaos.workload import WILD, Tool
from tests.chaos.world import FAKETIME, LIMITED, UNLIMITED, Limits, World, can_run
from tests.cluster.apiserver import ADMINISTRATOR
from tests.cluster.installation import Caller


async def main(
    minutes: float, number: int, seed: int, limits: Limits, directory: Path, *, runs: bool
) -> int:
    """Run, print the figures, and return the number of problems."""
    world = World(directory, Random(seed), limits, runs)
    faults = Faults(world, seed)
    names = [f"chaos-{n}" for n in range(number)]
    tools = [Tool(name, world.urls, Random(f"{seed} {name}"), WILD) for name in names]
    stop = asyncio.Event()
    try:
        await world.start(names)
        observer = Observer(world.admin, limits)
        running = Running(Caller(world.server, f"{ADMINISTRATOR}-token"))
        watching = [asyncio.create_task(each.watch()) for each in (observer, running)]
        working = [asyncio.create_task(tool.work(stop)) for tool in tools]
        await faults.disturb(minutes * 60)
        stop.set()
        await asyncio.gather(*working)
        stood_still = await settle(world)
        await observer.until(await world.sealed())
        found = await problems(world, observer, tools, stood_still)
        if runs:
            await running.catch_up()
            found += running.problems(observer.records, names)
        builds = await world.state()
        for watch in watching:
            watch.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    finally:
        await world.stop()
    figures = {
        "seed": seed,
        "limits of running, queued and retained deployments of a tool": limits,
        **faults.done,
        "clock of one instance": "an hour off" if Path(FAKETIME).exists() else "right: no faketime",
        **_figures(tools, observer.records, builds),
        **(_figures_of_runs(observer.records, running) if runs else {}),
        "most concurrent deployments of a tool": observer.most_running,
        "longest time without progress after the last fault, in s": round(stood_still, 1),
        "not as it must be": len(found),
    }
    for what, figure in figures.items():
        print(f"{what}: {figure}")
    for each in found[:50]:
        print(f"  {each}")
    return len(found)


def _figures(
    tools: list[Tool], records: dict[str, Record], builds: dict[str, dict[str, Any]]
) -> dict[str, object]:
    ends = [build for record in records.values() for build in record.builds.values()]
    statuses = Counter(each["status"] for each in ends)
    messages = [each["message"] for each in ends]
    known = {each for record in records.values() for ids in record.ids.values() for each in ids}
    again = sum(max(len(ids) - 1, 0) for record in records.values() for ids in record.ids.values())
    return {
        "requests": sum(tool.requests for tool in tools),
        "of which met an outage": sum(tool.failures for tool in tools),
        "of these, rejected because the tool was busy": sum(tool.errors_of for tool in tools),
        "readers that disconnected early": sum(tool.left for tool in tools),
        "configurations deleted": sum(tool.deleted for tool in tools),
        "deployments acknowledged": sum(len(tool.acknowledged) for tool in tools),
        "of these, repeated with the same key": sum(len(tool.keyed) for tool in tools),
        "deployments cancelled": sum(
            record.data["cancel-requested"] for record in records.values()
        ),
        "deployments pruned for newer ones": sum(record.removed for record in records.values()),
        "builds started": len(builds),
        "how the builds ended": ", ".join(f"{n} {each}" for each, n in sorted(statuses.items())),
        "builds lost by the builds service and built again": again,
        "lost for good": sum(each.startswith(LOST) for each in messages),
        "builds ended by the deployment timeout": sum(
            each.startswith(TOO_LATE) for each in messages
        ),
        "builds deleted there before they could be found": len(builds.keys() - known),
    }


def _figures_of_runs(records: dict[str, Record], running: Running) -> dict[str, object]:
    statuses = Counter(run["status"] for each in records.values() for run in each.runs.values())
    return {
        "versions of components that ran": len(running.versions),
        "how the runs ended": ", ".join(f"{n} {each}" for each, n in sorted(statuses.items())),
        "components put back": running.put_back,
        "components removed": running.removed,
    }


if __name__ == "__main__":
    # Killed processes interrupt connections, which is the purpose of this.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--tools", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--limited",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="one deployment of a tool at a time; default with odd seeds",
    )
    parser.add_argument("--logs", type=Path, help="directory of the instances' logs")
    parser.add_argument(
        "--runs",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run what was built; otherwise deployments end with their builds",
    )
    options = parser.parse_args()
    if missing := can_run(runs=options.runs):
        sys.exit(missing)
    limited = options.seed % 2 if options.limited is None else options.limited
    with TemporaryDirectory(prefix="components-chaos-", ignore_cleanup_errors=True) as name:
        limits = LIMITED if limited else UNLIMITED
        run = main(
            options.minutes, options.tools, options.seed, limits, Path(name), runs=options.runs
        )
        failed = asyncio.run(run)
        if options.logs:
            for log in Path(name).glob("instance-*.log"):
                shutil.copy(log, options.logs)
    sys.exit(1 if failed else 0)
