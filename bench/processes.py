"""Servers as processes: started on their core, awaited, and measured by what the kernel counts."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.cores import Cores
from tests.cluster.apiserver import free_port

ROOT = Path(__file__).parents[1]
LISTENING_SECONDS = 30.0
POLL_SECONDS = 0.002
"""There is no event for a port that begins to listen."""


class DidNotStart(Exception):
    """A server did not begin to listen; the message is the end of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens on a port of this machine."""

    process: Process
    port: int

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the processor time of all its threads so far."""
        return cpu_seconds(self.process.pid)

    def resident_bytes(self) -> int:
        """Return how much memory it has in use."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (each for each in status.splitlines() if each.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process so far, with the kernel's full resolution."""
    # CPUCLOCK_SCHED of a process, as clock_getcpuclockid(3) computes it; Python has no call for it.
    return time.clock_gettime((~pid << 3) | 2)


async def share(pids: list[int], seconds: float) -> float:
    """Return how much processor time these processes use in a second, over some seconds."""
    began, before = time.monotonic(), sum(map(cpu_seconds, pids))
    await asyncio.sleep(seconds)
    return (sum(map(cpu_seconds, pids)) - before) / (time.monotonic() - began)


@asynccontextmanager
async def server(
    cores: Cores,
    log: Path,
    *command: str,
    env: Mapping[str, str] | None = None,
    measured: bool = True,
) -> AsyncIterator[Server]:
    """Run a Python program with `{port}` in its arguments or variables; yield it once it listens.

    A `measured` one has the server's core. Raises `DidNotStart`.
    """
    port = free_port()
    arguments = [each.format(port=port) for each in command]
    variables = {name: value.format(port=port) for name, value in (env or {}).items()}
    process = await start(cores, log, *arguments, env=variables, measured=measured)
    try:
        await _listening(process, port, log)
        yield Server(process, port)
    finally:
        await stop(process)


async def start(
    cores: Cores, log: Path, *arguments: str, env: Mapping[str, str], measured: bool = True
) -> Process:
    """Start a Python program; its output goes to the log."""
    with log.open("ab") as output, cores.serving() if measured else nullcontext():
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=os.environ | env,
            cwd=ROOT,
            stdout=DEVNULL,
            stderr=output,
        )


async def stop(process: Process) -> None:
    """End a process, and return once it has ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
    await process.wait()


async def _listening(process: Process, port: int, log: Path) -> None:
    until = time.monotonic() + LISTENING_SECONDS
    while time.monotonic() < until and process.returncode is None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(POLL_SECONDS)
    raise DidNotStart(log.read_text()[-2000:])
