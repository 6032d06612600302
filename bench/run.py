"""A run: measures rows one after another, and says how far it is."""

import asyncio
import os
import platform
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from bench.context import SETTINGS, Bench
from bench.cores import Cores
from bench.load import Load, load_here
from bench.row import Row, Skipped
from bench.table import Line

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end. After SIGTERM, stop what was started, and exit as if killed by it."""

    async def stoppable() -> T:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        return asyncio.run(stoppable())
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)


@asynccontextmanager
async def opened(
    rounds: int, seconds: float, many: int, load: Callable[[Path], Load] = load_here
) -> AsyncIterator[Bench]:
    """Open what a run needs; everything that it started ends with it."""
    cores = Cores.here()
    with TemporaryDirectory(prefix="components-bench-", ignore_cleanup_errors=True) as name:
        os.sched_setaffinity(0, cores.others)
        try:
            async with AsyncExitStack() as stack:
                directory = Path(name)
                yield Bench(rounds, seconds, many, directory, cores, load(directory), stack)
        finally:
            os.sched_setaffinity(0, cores.others | cores.server)


async def measure(bench: Bench, rows: Iterable[Row], done: Callable[[Line], None]) -> None:
    """Measure rows; call `done` with each, and its result or the reason why there is none here."""
    for row in rows:
        print(f"measuring {row.name}: {row.what}", file=sys.stderr, flush=True)
        try:
            done(Line(row, await row.measure(bench)))
        except Skipped as reason:
            done(Line(row, skipped=str(reason)))


def conditions(bench: Bench) -> dict[str, Any]:
    """Return what the figures depend on, besides the service."""
    return {
        "cores": len(bench.cores),
        "python": platform.python_version(),
        "load": bench.load.name,
        "rounds": bench.rounds,
        "seconds": bench.seconds,
        "many tools": bench.many,
        "log level": SETTINGS["COMPONENTS_LOG_LEVEL"],
    }
