"""The service as a process with few descriptors, and somebody who wants them all."""

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
HALF = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-More: "


class Flooded:
    """A service, what it has said, and how to be connected to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[bytes] = []
        self.listens = asyncio.Event()

    async def read(self) -> None:
        """Read its log to the end."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line)
            if b"listening on" in line:
                self.listens.set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._said(rb"listening on (\S+)")

    @property
    def probes(self) -> str:
        """Where it answers the health checks."""
        return self._said(rb"health checks on (\S+)")

    @property
    def said_little(self) -> bool:
        """Whether its log is small, but for a line for each request that was answered."""
        log = [line for line in self.log if b" aiohttp.access " not in line]
        return b"Traceback" not in b"".join(log) and len(log) < 10

    def _said(self, pattern: bytes) -> str:
        found: list[bytes] = re.findall(pattern, b"".join(self.log))
        return found[0].decode()


@asynccontextmanager
async def service(**env: str) -> AsyncIterator[Flooded]:
    """Run the service with few descriptors; end it as it is told to."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, str(COMPONENTS), "serve"),
        env=os.environ | {"COMPONENTS_PORT": "0", **env},
        stderr=PIPE,
    )
    flooded = Flooded(process)
    reading = asyncio.create_task(flooded.read())
    try:
        await flooded.listens.wait()
        yield flooded
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
    """Hold as many connections as the service lets us, and open more."""
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
    "sent", [b"", HALF, BUNDLE * 3], ids=["idle", "half-sent", "reading nothing"]
)
async def test_others_are_served_and_the_log_stays_small(sent: bytes) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 2 * CONNECTIONS
    async with service() as flooded, flood(flooded.url, sent):
        for _ in range(3):
            # A connection of its own, as another client's would be.
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{flooded.url}/readyz") as response,
            ):
                assert response.status == 200
    assert flooded.said_little


async def test_over_tls_who_begins_no_handshake_keeps_nobody_out(tmp_path: Path) -> None:
    files = Files(tmp_path)
    env = {
        "COMPONENTS_TLS_CERT": str(tmp_path / "tls.crt"),
        "COMPONENTS_TLS_KEY": str(tmp_path / "tls.key"),
        "COMPONENTS_TLS_CLIENT_CA": str(tmp_path / "ca.crt"),
        "COMPONENTS_PROBE_PORT": "0",
    }
    async with service(**env) as flooded, flood(flooded.url, b""), flood(flooded.probes, b""):
        for url in (f"{flooded.url}/docs", f"{flooded.probes}/readyz"):
            async with (
                aiohttp.ClientSession() as session,
                session.get(url, ssl=files.client()) as response,
            ):
                assert response.status == 200
    assert flooded.said_little
