"""The sample that the demo builds: a generated repository, served on loopback."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

CONTAINERFILE = "FROM scratch\nCOPY hello.txt /hello.txt\n"
CONFIGURATION = """\
components:
  web:
    build: {{repository: {url}, ref: main}}
    run: {{command: web, port: 8000}}
    component_type: continuous
  worker:
    build: {{repository: {url}, ref: worker}}
    run: {{command: work}}
    component_type: continuous
  nightly:
    build: {{reuse_from: web}}
    run: {{command: clean, schedule: "@daily"}}
"""
STORAGE = '[storage]\ndriver = "vfs"\ngraphroot = "{0}/images"\nrunroot = "{0}/run"\n'


def engine_environment(directory: Path) -> Mapping[str, str] | None:
    """Return an environment for the first engine that can build here; None if there is none.

    buildah gets its own storage in `directory`, with the driver vfs, which works everywhere.
    """
    if not shutil.which("git"):
        return None
    (directory / "storage.conf").write_text(STORAGE.format(directory))
    buildah = {
        "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
    }
    (directory / "trial").mkdir()
    (directory / "trial/Containerfile").write_text("FROM scratch\nLABEL trial=yes\n")
    for engine, environ in (("buildah", buildah), ("podman", {}), ("docker", {})):
        if shutil.which(engine) and _succeeds(
            [engine, "build", "--tag", "localhost/trial", str(directory / "trial")], environ
        ):
            return {**environ, "COMPONENTS_LOCAL_ENGINE": engine}
    return None


def _succeeds(arguments: list[str], environ: Mapping[str, str]) -> bool:
    try:
        process = subprocess.run(
            arguments, env={**os.environ, **environ}, capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return process.returncode == 0


@asynccontextmanager
async def sample(directory: Path) -> AsyncIterator[Path]:
    """Create the repository and serve it; yield the file of a configuration that builds it."""
    repository = directory / "repositories/sample"
    repository.mkdir(parents=True)
    (repository / "Containerfile").write_text(CONTAINERFILE)
    (repository / "hello.txt").write_text("hello from the web service\n")
    _git(repository, "init", "--quiet", "--initial-branch=main")
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "--message=The web service")
    _git(repository, "checkout", "--quiet", "-b", "worker")
    (repository / "hello.txt").write_text("hello from the worker\n")
    _git(repository, "commit", "--quiet", "--all", "--message=The worker")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    daemon = await asyncio.create_subprocess_exec(
        Path(_git(repository, "--exec-path")) / "git-daemon",
        "--listen=127.0.0.1",
        f"--port={port}",
        "--reuseaddr",
        "--export-all",
        f"--base-path={repository.parent}",
        repository.parent,
    )
    configuration = directory / "sample.yaml"
    configuration.write_text(CONFIGURATION.format(url=f"git://127.0.0.1:{port}/sample"))
    try:
        yield configuration
    finally:
        daemon.terminate()
        await daemon.wait()


def _git(where: Path, *arguments: str) -> str:
    who = {"NAME": "Sample", "EMAIL": "sample@example.org"}
    identity = {f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in who.items()}
    process = subprocess.run(
        ["git", "-C", str(where), *arguments],
        env={**os.environ, **identity, "GIT_CONFIG_GLOBAL": "/dev/null"},
        check=True,
        capture_output=True,
        text=True,
    )
    return process.stdout.strip()
