"""The service with few file descriptors, and a client that opens as many connections as it can."""

import asyncio
import os
import re
import resource
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.http.server.tls_files import Files

COMPONENTS = Path(sys.executable).with_name("components")
DESCRIPTORS = 128
CONNECTIONS = 200
BUNDLE = b"GET /docs/static/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
INCOMPLETE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-More: "


class RunningService:
    """A service process, its log and its addresses."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[bytes] = []
        self.listening = asyncio.Event()

    async def read(self) -> None:
        """Read its log to the end."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line)
            if b"listening on" in line:
                self.listening.set()

    @property
    def url(self) -> str:
        """The URL of the service."""
        return self._logged(rb"listening on (\S+)")

    @property
    def probes(self) -> str:
        """The URL of the health checks."""
        return self._logged(rb"health checks on (\S+)")

    @property
    def log_is_small(self) -> bool:
        """Whether the log is small, except for the access log."""
        log = [line for line in self.log if b" aiohttp.access " not in line]
        return b"Traceback" not in b"".join(log) and len(log) < 10

    def _logged(self, pattern: bytes) -> str:
        found: list[bytes] = re.findall(pattern, b"".join(self.log))
        return found[0].decode()


@asynccontextmanager
async def service(**env: str) -> AsyncIterator[RunningService]:
    """Run the service with few file descriptors; stop it with SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, str(COMPONENTS), "serve"),
        env=os.environ | {"COMPONENTS_PORT": "0", **env},
        stderr=PIPE,
    )
    running_service = RunningService(process)
    reading = asyncio.create_task(running_service.read())
    try:
        await running_service.listening.wait()
        yield running_service
    finally:
        process.send_signal(signal.SIGTERM)
        await reading
        assert await process.wait() == 0


RUN = f"""\
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}))
os.execv(sys.argv[1], sys.argv[1:])
"""


@asynccontextmanager
async def flood(url: str, sent: bytes) -> AsyncIterator[None]:
    """Open more connections than the service accepts, and hold them."""
    port = int(url.rpartition(":")[2])
    opened = []
    for _ in range(CONNECTIONS):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        opened.append(writer)
    try:
        yield
    finally:
        for each in opened:
            each.close()
        await asyncio.gather(*(each.wait_closed() for each in opened), return_exceptions=True)


@pytest.mark.parametrize(
    "sent", [b"", INCOMPLETE, BUNDLE * 3], ids=["idle", "half-sent", "reading nothing"]
)
async def test_other_clients_are_served_and_the_log_stays_small(sent: bytes) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 2 * CONNECTIONS
    async with service() as running_service, flood(running_service.url, sent):
        for _ in range(3):
            # A new connection, as another client would open.
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{running_service.url}/readyz") as response,
            ):
                assert response.status == 200
    assert running_service.log_is_small


async def test_connections_without_a_tls_handshake_do_not_block_other_clients(
    tmp_path: Path,
) -> None:
    files = Files(tmp_path)
    env = {
        "COMPONENTS_TLS_CERT": str(tmp_path / "tls.crt"),
        "COMPONENTS_TLS_KEY": str(tmp_path / "tls.key"),
        "COMPONENTS_TLS_CLIENT_CA": str(tmp_path / "ca.crt"),
        "COMPONENTS_PROBE_PORT": "0",
    }
    async with (
        service(**env) as running_service,
        flood(running_service.url, b""),
        flood(running_service.probes, b""),
    ):
        for url in (f"{running_service.url}/docs", f"{running_service.probes}/readyz"):
            async with (
                aiohttp.ClientSession() as session,
                session.get(url, ssl=files.client()) as response,
            ):
                assert response.status == 200
    assert running_service.log_is_small
