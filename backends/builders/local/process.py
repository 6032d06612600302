"""Running programs so that they, and all that they start, can be ended."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

GRACE_SECONDS = 2.0
"""How long a program that is told to end may take before it is killed."""

_CHUNK_BYTES = 64 * 1024

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
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a program: what it needs of ours, and what is added."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed_on, "LC_ALL": "C.UTF-8", **more}


async def run(
    arguments: Sequence[str | Path],
    *,
    output: Callable[[bytes], None],
    env: Mapping[str, str],
    directory: Path | None = None,
) -> int:
    """Run a program in a process group of its own; return its exit code.

    What it prints goes to `output` as it comes. However this ends, nothing of the group is left
    running. Raises `OSError` where the program cannot be run.
    """
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        env=env,
        cwd=directory,
        start_new_session=True,
    )
    try:
        while process.stdout and (chunk := await process.stdout.read(_CHUNK_BYTES)):
            output(chunk)
        return await process.wait()
    finally:
        # In a task of its own: being cancelled once more must not leave it half done.
        await asyncio.shield(asyncio.create_task(_end(process)))


async def answered(arguments: Sequence[str | Path], env: Mapping[str, str]) -> tuple[int, str]:
    """Return the exit code of a program and what it printed."""
    printed = bytearray()
    code = await run(arguments, output=printed.extend, env=env)
    return code, printed.decode("utf-8", "replace").strip()


async def _end(process: Process) -> None:
    """End a process group, and wait until its first process is gone."""
    if process.returncode is None:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
    # What it has started may outlive it.
    _signal(process, signal.SIGKILL)
    await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # all of it has ended
        os.killpg(process.pid, number)
