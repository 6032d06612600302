"""Running programs so that they, and all that they start, can be ended."""

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

MAX_ANSWER_BYTES = 1024 * 1024
"""What a program that only answers may print."""

_PATIENCE_SECONDS = 10.0
"""How long the supervisor may take to end a program, which has two seconds to end by itself."""

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_CHUNK_BYTES = 64 * 1024
_ANY_MEMORY = Memory(0)

PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")

# What programs of ours need from this process's environment. Everything else stays here: it may
# hold secrets, and a build runs whatever a repository says.
_PASSED_ON = (
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
    """Return the environment of a program: what it needs of ours, and what is added.

    A proxy is passed on without its user and password, since engines hand it on to what they run.
    """
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    proxies = {name: _public(os.environ[name]) for name in PROXIES if name in os.environ}
    return {**passed_on, **proxies, "LC_ALL": "C.UTF-8", **more}


def _public(proxy: str) -> str:
    """Return a proxy without what is before its host, which is all up to the last `@`."""
    before, at, host = proxy.rpartition("@")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", before)
    return (scheme[0] if scheme else "") + host if at else proxy


async def run(
    arguments: Sequence[str | Path],
    *,
    output: Callable[[bytes], None],
    env: Mapping[str, str],
    memory: Memory = _ANY_MEMORY,
) -> int:
    """Run a program; return its exit code, or 128 and the signal that has ended it.

    What it prints goes to `output` as it comes. However this ends, also where this process is
    killed, nothing that the program has started is left running. Raises `OSError` where it cannot
    be run.
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
        # In a task of its own: being cancelled once more must not leave it half done.
        await asyncio.shield(asyncio.create_task(_end(process, group_of_process)))


async def output_of(
    arguments: Sequence[str | Path], env: Mapping[str, str], memory: Memory = _ANY_MEMORY
) -> tuple[int, str]:
    """Return the exit code of a program and what it printed; one that prints too much is ended."""
    printed = bytearray()

    def keep(chunk: bytes) -> None:
        printed.extend(chunk)
        if len(printed) > MAX_ANSWER_BYTES:
            raise _TooMuchError

    try:
        code = await run(arguments, output=keep, env=env, memory=memory)
    except _TooMuchError:
        limit = f"{MAX_ANSWER_BYTES // 1024**2} MiB"
        return 1, f"{arguments[0]} answered with more than {limit}, and was ended"
    return code, printed.decode("utf-8", "replace").strip()


class _TooMuchError(Exception):
    """A program has printed more than it may."""


async def _end(process: Process, group: ExitStack) -> None:
    """Have the supervisor end what it runs, wait until all of it is gone, and remove its group."""
    with group:
        await _ended(process)


async def _ended(process: Process) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            # Who does not read keeps the pipe full, and what writes to it from ending.
            while process.stdout and await process.stdout.read(_CHUNK_BYTES):
                continue
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
