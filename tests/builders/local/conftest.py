"""The local builder with a real engine, and repositories served by git on loopback."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from backends.builders.local.builder import LocalBuilder
from backends.builders.local.settings import Settings
from tests.conftest import unmeasured

Make: TypeAlias = Callable[..., str]
Open: TypeAlias = Callable[..., Awaitable[LocalBuilder]]

DOCKERFILE = "FROM scratch\nCOPY hello /hello\n"
ENDLESS = "FROM scratch\nADD {url} /never\n"
"""A command that waits forever for a server."""


def git(where: Path, *arguments: str) -> str:
    """Run git as a developer would."""
    identity = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Somebody"), ("EMAIL", "somebody@example.org"))
    }
    done = subprocess.run(
        ["git", "-c", "init.defaultBranch=main", "-C", str(where), *arguments],
        env={**os.environ, **identity, "GIT_CONFIG_GLOBAL": "/dev/null"},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An engine with its own storage; without an engine these tests are skipped."""
    if shutil.which("buildah") is None or shutil.which("git") is None:
        assert not os.environ.get("COMPONENTS_TEST_ENGINE"), "buildah and git are not installed"
        pytest.skip("buildah and git are needed to build for real")
    configuration = tmp_path / "storage.conf"
    configuration.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/graph"\nrunroot = "{tmp_path}/run"\n'
    )
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(configuration))
    monkeypatch.setenv("BUILDAH_ISOLATION", "chroot")
    return "buildah"


@pytest.fixture
async def served(tmp_path: Path, engine: str) -> AsyncIterator[tuple[Path, str]]:
    """A directory with repositories served by git, and its URL."""
    root = tmp_path / "repositories"
    root.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    daemon = Path(git(root, "--exec-path")) / "git-daemon"
    options = ("--listen=127.0.0.1", f"--port={port}", "--export-all", "--informative-errors")
    process = await asyncio.create_subprocess_exec(
        daemon, *options, "--reuseaddr", f"--base-path={root}", root, env=unmeasured()
    )
    try:
        async with asyncio.timeout(20):
            while not await _listens(port):  # noqa: ASYNC110 - git does not report when it is ready
                await asyncio.sleep(0.01)
        yield root, f"git://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.fixture
def make(served: tuple[Path, str]) -> Make:
    """Create a repository of files; return its URL. A `Path` becomes a symbolic link, bytes a
    program."""
    root, url = served

    def repository(name: str = "web", **files: str | Path | bytes) -> str:
        where = root / name
        where.mkdir()
        git(where, "init", "--quiet")
        for path, content in ({"Containerfile": DOCKERFILE, "hello": "hello"} | files).items():
            if isinstance(content, Path):
                (where / path).symlink_to(content)
            elif isinstance(content, bytes):
                (where / path).write_bytes(content)
                (where / path).chmod(0o755)
            elif content:
                (where / path).write_text(content)
        git(where, "add", "--all")
        git(where, "commit", "--quiet", "--message=first")
        return f"{url}/{name}"

    return repository


@pytest.fixture
def runs(make: Make) -> Make:
    """Create a repository whose build runs a busybox shell script; return its URL."""
    path = shutil.which("busybox")
    program = Path(path).read_bytes() if path else b""
    if not path or b"ld-linux" in program[:4096]:
        assert not os.environ.get("COMPONENTS_TEST_ENGINE"), "a static busybox is not installed"
        pytest.skip("a static busybox is needed, which runs in an empty image")

    def repository(script: str, name: str = "web") -> str:
        dockerfile = f"FROM scratch\nCOPY . /\nRUN {json.dumps(['/busybox', 'sh', '-c', script])}\n"
        return make(name, Containerfile=dockerfile, busybox=program)

    return repository


@pytest.fixture(params=["PID namespace", "subreaper"])
def held(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The confinement that this machine supports."""
    if request.param == "subreaper":
        programs = tmp_path / "programs"
        programs.mkdir()
        (programs / "unshare").write_text("#!/bin/sh\nexit 1\n")
        (programs / "unshare").chmod(0o755)
        monkeypatch.setenv("PATH", str(programs), prepend=":")


@pytest.fixture
async def open_builder(tmp_path: Path, engine: str) -> AsyncIterator[Open]:
    """Open a builder; keyword arguments are settings."""
    builders = []

    async def opened(**settings: object) -> LocalBuilder:
        given = {"engine": engine, "directory": str(tmp_path / "builds"), **settings}
        builder = LocalBuilder(Settings(**given))  # type: ignore[arg-type]
        await builder.open()
        builders.append(builder)
        return builder

    yield opened
    for builder in builders:
        await builder.close()


@pytest.fixture
async def builder(open_builder: Open) -> LocalBuilder:
    return await open_builder()


@pytest.fixture
async def silence() -> AsyncIterator[str]:
    """The URL of a server that accepts a request and never responds."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/file"
    server.close()
    await server.wait_closed()
