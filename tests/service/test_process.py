"""The service as a process: how it starts, what it logs, and how it stops."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

COMPONENTS = Path(sys.executable).with_name("components")
SUBJECT = {"ssl-client-subject-dn": "CN=mytool,O=toolforge"}


@asynccontextmanager
async def service(**env: str) -> AsyncIterator[tuple[Process, str]]:
    """Run the service on a free port; yield its process and its URL, once it listens."""
    environ = os.environ | {"COMPONENTS_PORT": "0", **env}
    process = await asyncio.create_subprocess_exec(COMPONENTS, "serve", env=environ, stderr=PIPE)
    assert process.stderr is not None
    try:
        line = await process.stderr.readline()
        found = re.search(rb"listening on (http://[^\s\"]+)", line)
        assert found, line
        yield process, found[1].decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_exit_code_0(number: signal.Signals) -> None:
    async with service() as (process, _):
        process.send_signal(number)
        assert await process.wait() == 0


async def test_what_is_in_flight_is_finished_before_it_stops() -> None:
    async with service() as (process, url), aiohttp.ClientSession(headers=SUBJECT) as session:

        async def body() -> AsyncIterator[bytes]:
            process.send_signal(signal.SIGTERM)
            yield b'{"components": '
            # The log says that it is stopping before anything else does.
            assert process.stderr is not None
            while b"stopping" not in await process.stderr.readline():
                pass
            yield b"{}}"

        headers = {"Content-Type": "application/json"}
        address = f"{url}/api/v1/tool/mytool/config"
        # The body is asked for once the request is being handled.
        posting = session.post(address, data=body(), headers=headers, expect100=True)
        async with posting as response:
            assert response.status == 422
        assert await process.wait() == 0


async def test_a_request_that_never_ends_does_not_keep_it_from_stopping() -> None:
    async with service() as (process, url):
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /api/v1/tool/mytool/config HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
            b"Content-Type: application/json\r\n"
            b"ssl-client-subject-dn: CN=mytool,O=toolforge\r\nExpect: 100-continue\r\n\r\n"
        )
        # It says so once the handler is about to read the body, which never comes.
        assert b"100" in await reader.readline()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        writer.close()


async def failure(**env: str) -> tuple[int | None, bytes]:
    """Run the service where it cannot start; return its exit code and what it says."""
    process = await asyncio.create_subprocess_exec(
        COMPONENTS, "serve", env=os.environ | env, stderr=PIPE
    )
    _, output = await process.communicate()
    return process.returncode, output


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"COMPONENTS_PORT": "x"}, b'"COMPONENTS_PORT" invalid: Not a valid integer.'),
        (
            {"COMPONENTS_STORE": "x"},
            b"COMPONENTS_STORE: nothing provides 'x'; there are: kubernetes, memory",
        ),
    ],
)
async def test_a_bad_setting_stops_the_start_with_one_line(
    env: dict[str, str], message: bytes
) -> None:
    code, output = await failure(**env)
    assert code == 2
    assert message in output
    assert output.count(b"\n") == 1


async def test_an_address_that_is_in_use_stops_the_start_with_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = await failure(COMPONENTS_PORT=str(port))
    assert code == 2
    assert output == f"Error: cannot listen on 127.0.0.1:{port}: Address already in use\n".encode()


async def test_the_log_can_be_json() -> None:
    async with service(COMPONENTS_LOG_FORMAT="json") as (process, url):
        async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz"):
            pass
        assert process.stderr is not None
        line = json.loads(await process.stderr.readline())
    assert line["level"] == "INFO"
    assert "GET /healthz" in line["message"]
