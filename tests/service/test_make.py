"""The make targets of the README's quick start, and others, work as documented."""

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.service.shell import TARGETS, environ, shell


def programs(directory: Path, *names: str) -> str:
    """Return a PATH with only these programs, and the interpreter of these tests."""
    for name in names:
        found = shutil.which(name)
        assert found, f"{name} is needed"
        (directory / name).symlink_to(found)
    return f"{Path(sys.prefix) / 'bin'}:{directory}"


async def test_the_demo_without_an_engine_says_that_builds_are_simulated(tmp_path: Path) -> None:
    path = programs(tmp_path, "make", "bash", "sh", "git", "touch")
    output = await shell("make demo", PATH=path)
    assert "no buildah, podman or docker builds images here, so builds are simulated" in output
    assert output.rstrip().endswith("FINISHED")
    for name in ("gateway", "stacker", "alerts"):
        assert re.search(rf"^{name} +FINISHED", output, flags=re.MULTILINE)


async def test_the_demo_with_an_engine_builds_images_of_a_repository() -> None:
    if shutil.which("buildah") is None:
        assert not os.environ.get("COMPONENTS_TEST_ENGINE"), "buildah is not installed"
        pytest.skip("buildah is needed to build for real")
    output = await shell("make demo")
    assert "buildah builds images here" in output
    for name in ("web", "worker", "nightly"):
        assert re.search(rf"^{name} +FINISHED", output, flags=re.MULTILINE)
    assert re.search(r"^nightly +FINISHED.*reuses the build of 'web'", output, flags=re.MULTILINE)
    for name in ("web", "worker"):
        assert re.search(rf"^localhost/sample/{name} +[0-9a-f]{{12}} ", output, flags=re.MULTILINE)


async def test_make_help_lists_every_target() -> None:
    output = await shell("make")
    assert [line.split()[0] for line in output.splitlines()] == TARGETS


async def test_make_run_serves_on_port_8000_until_it_is_interrupted() -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8000)) == 0:
            pytest.skip("something else listens on port 8000")
    process = await asyncio.create_subprocess_exec(
        "make", "run", cwd=ROOT, env=environ(), stderr=PIPE, stdout=PIPE, start_new_session=True
    )
    assert process.stderr is not None
    async for line in process.stderr:
        if b"listening on http://127.0.0.1:8000" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    await process.communicate()


async def test_make_run_takes_the_port_from_the_environment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        "make",
        "run",
        cwd=ROOT,
        env=environ(COMPONENTS_PORT=str(port)),
        stderr=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    lines = [line async for line in until(process.stderr, b"listening on ")]
    os.killpg(process.pid, signal.SIGINT)
    await process.communicate()
    assert f"listening on http://127.0.0.1:{port}" in lines[-1].decode()


async def until(lines: asyncio.StreamReader, part: bytes) -> AsyncIterator[bytes]:
    """Yield lines up to the first one that contains `part`."""
    async for line in lines:
        yield line
        if part in line:
            return


async def test_make_openapi_prints_the_document() -> None:
    assert '"openapi": "3.0.3"' in await shell("make --no-print-directory openapi")
