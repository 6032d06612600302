"""Deploys for an hour and checks for leaks: `python -m tests.chaos.soak --minutes 60`.

One instance runs on the memory store, with a builds service that is fast and does not fail. The
system reports memory and file descriptors of the process, its event loop the tasks. They are
compared between the second quarter of the run, when everything has been used once, and the last.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path
from random import Random

from aiohttp import web

from tests.builders.toolforge.builds_service import BuildsService
from tests.chaos.workload import Tool
from tests.cluster.apiserver import free_port

SAMPLE_SECONDS = 1.0
TOOLS = 20
GROWTH = 1.1
"""The tolerated increase from the second to the last quarter: measurements vary by a few per cent.
"""


def sample(pid: int, tasks: Path) -> dict[str, float]:
    """Return the resources that a process uses now; it writes its number of tasks to a file."""
    process = Path(f"/proc/{pid}")
    fields = dict(
        line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line
    )
    return {
        "memory in KiB": float(fields["VmRSS"].split()[0]),
        "file descriptors": float(len(list((process / "fd").iterdir()))),
        "threads": float(fields["Threads"]),
        "tasks": float(tasks.read_text()),
    }


async def main(minutes: float) -> int:
    """Run, print the figures, and return how many have grown."""
    service = BuildsService(seconds=0.5)
    runner = web.AppRunner(service.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = free_port()
    env = {
        **os.environ,
        "COMPONENTS_PORT": str(port),
        "COMPONENTS_BUILDER": "toolforge",
        "COMPONENTS_TOOLFORGE_URL": f"http://127.0.0.1:{runner.addresses[0][1]}",
        "COMPONENTS_LOG_LEVEL": "WARNING",
        "COMPONENTS_WRITES_PER_MINUTE": "0",
        "COMPONENTS_READS_PER_MINUTE": "0",
        "COMPONENTS_MAX_HELD": "0",
    }
    tasks_file = Path(tempfile.mkstemp(prefix="components-soak-")[1])
    tasks_file.write_text(f"{0:6}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.task_counter", str(tasks_file), env=env
    )
    stop = asyncio.Event()
    tools = [Tool(f"soak-{n}", [f"http://127.0.0.1:{port}"], Random(n)) for n in range(TOOLS)]
    try:
        working = [asyncio.create_task(tool.work(stop)) for tool in tools]
        samples = []
        for _ in range(round(minutes * 60 / SAMPLE_SECONDS)):
            await asyncio.sleep(SAMPLE_SECONDS)
            samples.append(sample(process.pid, tasks_file))
        stop.set()
        await asyncio.gather(*working)
    finally:
        process.terminate()
        await process.wait()
        tasks_file.unlink()
        await runner.cleanup()
    print(f"deployments: {sum(len(tool.acknowledged) for tool in tools)}")
    wrong = [each for tool in tools for each in tool.wrong]
    quarter = len(samples) // 4
    for what in samples[0]:
        second = statistics.median(each[what] for each in samples[quarter : 2 * quarter])
        last = statistics.median(each[what] for each in samples[-quarter:])
        print(f"{what}: the last quarter is {last / second:.2f} of the second")
        if last > second * GROWTH:
            wrong.append(f"{what} has grown")
    for each in wrong[:20]:
        print(f"  {each}")
    return len(wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--minutes", type=float, default=60)
    sys.exit(1 if asyncio.run(main(parser.parse_args().minutes)) else 0)
