"""Runs programs so that they, and all that they start, can be stopped."""

import asyncio
import os
import re
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from backends.builders.local.memory import Memory

MAX_OUTPUT_BYTES = 1024 * 1024
"""The output limit of a query."""

_STOP_SECONDS = 10.0
"""How long the supervisor may take to stop a program, which has two seconds to exit by itself."""

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_CHUNK_BYTES = 64 * 1024
_UNLIMITED_MEMORY = Memory(0)

PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")

# What programs need from this process's environment. The rest may hold secrets and is not
# inherited: a build runs whatever a repository says.
_INHERITED = (
    "PATH",
    "HOME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_REGISTRIES_CONF",
    "STORAGE_DRIVER",
    "STORAGE_OPTS",
    "BUILDAH_ISOLATION",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "no_proxy",
    "NO_PROXY",
)


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a program: what it inherits, and `more`.

    Proxies are passed without user and password, since engines pass them on to builds.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    proxies = {
        name: _without_credentials(os.environ[name]) for name in PROXIES if name in os.environ
    }
    return {**inherited, **proxies, "LC_ALL": "C.UTF-8", **more}


def _without_credentials(proxy: str) -> str:
    """Return a proxy without user information, which is everything up to the last `@`."""
    before, at, host = proxy.rpartition("@")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", before)
    return (scheme[0] if scheme else "") + host if at else proxy


async def run(
    arguments: Sequence[str | Path],
    *,
    output: Callable[[bytes], None],
    env: Mapping[str, str],
    memory: Memory = _UNLIMITED_MEMORY,
) -> int:
    """Run a program; return its exit code, or 128 and the signal that killed it.

    Its output goes to `output` as it comes. However the call ends, even if this process is killed,
    all processes that the program started are killed. Raises `OSError` if it cannot be run.
    """
    if shutil.which(arguments[0], path=env.get("PATH")) is None:
        raise FileNotFoundError(2, f"{arguments[0]} is not installed")
    supervisor = (sys.executable, "-I", "-S", _SUPERVISOR)
    with ExitStack() as stack:
        group = stack.enter_context(memory.group())
        process = await asyncio.create_subprocess_exec(
            *supervisor, str(memory.each), group, *arguments,
            stdin=PIPE, stdout=PIPE, stderr=STDOUT, env=env, start_new_session=True,
        )  # fmt: skip
        group_of_process = stack.pop_all()
    try:
        while process.stdout and (chunk := await process.stdout.read(_CHUNK_BYTES)):
            output(chunk)
        return await process.wait()
    finally:
        # In its own task, so that a second cancellation does not interrupt the cleanup.
        await asyncio.shield(asyncio.create_task(_end(process, group_of_process)))


async def output_of(
    arguments: Sequence[str | Path], env: Mapping[str, str], memory: Memory = _UNLIMITED_MEMORY
) -> tuple[int, str]:
    """Return the exit code and the output of a program; stop it if it prints too much."""
    printed = bytearray()

    def keep(chunk: bytes) -> None:
        printed.extend(chunk)
        if len(printed) > MAX_OUTPUT_BYTES:
            raise _OutputTooLargeError

    try:
        code = await run(arguments, output=keep, env=env, memory=memory)
    except _OutputTooLargeError:
        limit = f"{MAX_OUTPUT_BYTES // 1024**2} MiB"
        return 1, f"{arguments[0]} printed more than {limit} and was stopped"
    return code, printed.decode("utf-8", "replace").strip()


class _OutputTooLargeError(Exception):
    """A program has exceeded the output limit."""


async def _end(process: Process, group: ExitStack) -> None:
    """Make the supervisor stop its program, wait for all processes, and remove the cgroup."""
    with group:
        await _wait_for_end(process)


async def _wait_for_end(process: Process) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            # Drain the pipe: a full one would keep the program from exiting.
            while process.stdout and await process.stdout.read(_CHUNK_BYTES):
                continue
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
