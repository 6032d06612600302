"""The service with local builds: builds cannot access the service."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from components.caller_secret import secret_file
from tests.builders.local.conftest import Make

COMPONENTS = Path(sys.executable).with_name("components")
CONFIGURATION = """\
components:
  web: {{build: {{repository: {url}}}, run: {{command: a secret of this tool}}}}
"""


@pytest.fixture
async def service(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A process of the service with local builds, and its URL."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    own = {
        "COMPONENTS_PORT": "0",
        "COMPONENTS_BUILDER": "local",
        "COMPONENTS_LOCAL_ENGINE": engine,
    }
    process = await asyncio.create_subprocess_exec(
        COMPONENTS, "serve", env={**os.environ, **own}, stderr=PIPE
    )
    try:
        assert process.stderr is not None
        async for line in process.stderr:
            if found := re.search(rb"listening on (http://\S+)", line):
                yield process, found[1].decode()
                break
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def components(environ: Mapping[str, str], *arguments: str) -> str:
    """Run a command and return its output."""
    command = await asyncio.create_subprocess_exec(
        COMPONENTS, *arguments, env={**os.environ, **environ}, stdout=PIPE, stderr=STDOUT
    )
    printed, _ = await command.communicate()
    return printed.decode()


async def test_a_build_cannot_read_the_data_of_another_tool(
    service: tuple[asyncio.subprocess.Process, str], runs: Make, tmp_path: Path
) -> None:
    _, url = service
    header = "ssl-client-subject-dn: CN=other,O=toolforge"
    asking = f"wget -O - --header '{header}' {url}/api/v1/tool/other/config; echo it has asked"
    configuration = tmp_path / "configuration.yaml"
    configuration.write_text(CONFIGURATION.format(url=runs(asking)))
    for tool in ("other", "mytool"):
        environ = {"COMPONENTS_URL": url, "COMPONENTS_TOOL": tool}
        await components(environ, "config", "set", str(configuration))
        assert "a secret of this tool" in await components(environ, "config", "show")
    await components(environ, "deploy", "--wait")
    log = await components(environ, "logs", "web")
    assert "401 Unauthorized" in log
    assert "\nit has asked\n" in log
    assert "a secret of this tool" not in log


async def test_the_secret_exists_while_the_service_runs(
    service: tuple[asyncio.subprocess.Process, str],
) -> None:
    process, url = service
    file = secret_file(int(url.rpartition(":")[2]))
    assert file.exists()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert not file.exists()
