"""The service as a process: start, log and shutdown."""

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import trustme

COMPONENTS = Path(sys.executable).with_name("components")
SUBJECT = {"ssl-client-subject-dn": "CN=mytool,O=toolforge"}


@asynccontextmanager
async def service(**env: str) -> AsyncIterator[tuple[Process, str]]:
    """Run the service on a free port; yield its process and its URL once it is listening."""
    environ = os.environ | {"COMPONENTS_PORT": "0", **env}
    process = await asyncio.create_subprocess_exec(COMPONENTS, "serve", env=environ, stderr=PIPE)
    try:
        yield process, await logged(process, rb"listening on (https?://[^\s\"]+)")
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def logged(process: Process, pattern: bytes) -> str:
    """Return the first group of a pattern in the next log line that matches."""
    assert process.stderr is not None
    lines = []
    while line := await process.stderr.readline():
        if found := re.search(pattern, line):
            return found[1].decode()
        lines.append(line)
    raise AssertionError(b"".join(lines).decode())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_service_with_exit_code_0(number: signal.Signals) -> None:
    async with service() as (process, _):
        process.send_signal(number)
        assert await process.wait() == 0


async def test_running_requests_finish_before_the_service_stops() -> None:
    async with service() as (process, url), aiohttp.ClientSession(headers=SUBJECT) as session:

        async def body() -> AsyncIterator[bytes]:
            process.send_signal(signal.SIGTERM)
            yield b'{"components": '
            # Wait until the shutdown has begun.
            assert process.stderr is not None
            while b"stopping" not in await process.stderr.readline():
                pass
            yield b"{}}"

        headers = {"Content-Type": "application/json"}
        address = f"{url}/api/v1/tool/mytool/config"
        # With `Expect`, the body is sent only once the request is being handled.
        posting = session.post(address, data=body(), headers=headers, expect100=True)
        async with posting as response:
            assert response.status == 422
        assert await process.wait() == 0


async def test_a_request_that_never_ends_does_not_prevent_the_shutdown() -> None:
    async with service() as (process, url):
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /api/v1/tool/mytool/config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            b"Content-Type: application/json\r\n"
            b"ssl-client-subject-dn: CN=mytool,O=toolforge\r\nExpect: 100-continue\r\n\r\n"
        )
        # The response 100 means that the handler reads the body, which is never sent.
        assert b"100" in await reader.readline()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        writer.close()


async def failure(**env: str) -> tuple[int | None, bytes]:
    """Run a service that cannot start; return its exit code and its output."""
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
async def test_an_invalid_setting_prevents_the_start_with_one_line(
    env: dict[str, str], message: bytes
) -> None:
    code, output = await failure(**env)
    assert code == 2
    assert message in output
    assert output.count(b"\n") == 1


async def test_an_address_in_use_prevents_the_start_with_one_line() -> None:
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


async def test_the_service_terminates_tls_with_health_checks_on_a_plain_text_port(
    tmp_path: Path,
) -> None:
    ca = trustme.CA()
    leaf = ca.issue_cert("127.0.0.1")
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "tls.crt"))
    leaf.private_key_pem.write_to_path(str(tmp_path / "tls.key"))
    ca.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    environ = os.environ | {
        "COMPONENTS_PORT": "0",
        "COMPONENTS_PROBE_PORT": "0",
        "COMPONENTS_TLS_CERT": str(tmp_path / "tls.crt"),
        "COMPONENTS_TLS_KEY": str(tmp_path / "tls.key"),
        "COMPONENTS_TLS_CLIENT_CA": str(tmp_path / "ca.crt"),
    }
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    ca.issue_cert(
        "mytool@example.org", common_name="mytool", organization_name="toolforge"
    ).configure_cert(context)
    process = await asyncio.create_subprocess_exec(COMPONENTS, "serve", env=environ, stderr=PIPE)
    probe = await logged(process, rb"health checks on (http://\S+)")
    url = await logged(process, rb"listening on (https://\S+)")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{probe}/readyz") as response:
            assert response.status == 200
        async with session.get(f"{url}/api/v1/tool/mytool/deploy", ssl=context) as response:
            assert response.status == 200
    process.terminate()
    await process.communicate()
    assert process.returncode == 0


async def test_missing_tls_files_prevent_the_start_with_one_line(tmp_path: Path) -> None:
    names = ("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA")
    env = {f"COMPONENTS_{name}": str(tmp_path / name) for name in names}
    code, output = await failure(COMPONENTS_PORT="0", **env)
    assert code == 2
    assert output.count(b"\n") == 1
    assert str(tmp_path / "TLS_CERT").encode() in output
