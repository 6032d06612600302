"""Calls: invalid and late responses, retries, and renewed logins."""

import asyncio
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from environs import EnvError
from kubernetes_asyncio import client
from pytest_aiohttp.plugin import AiohttpServer

from backends.kube.configuration import new_client
from backends.kube.connection import CallTimeouts, KubeConnection, Response
from backends.kube.errors import KubeError, KubeUnauthorized, KubeUnavailable
from backends.kube.responses import any_object, object_list, stored_object
from tests.kube.conftest import Connect
from tests.kube.fake_api_server import (
    EMPTY,
    SECRET,
    FakeApiServer,
    page,
    status,
    write_kubeconfig,
)

ONCE = CallTimeouts(total=0.01)


async def read(connection: KubeConnection, **options: Any) -> Response:
    api = client.CoreV1Api(connection.client)
    return await connection.call(api.read_namespaced_secret, "one", "tool-a", **options)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>restarting</html>",
        b"\xff\xfe",
        b'"a string"',
        b"[" * 100_000,
        b"{}",
        b'{"status": "ok"}',
        b'{"apiVersion": "v1", "kind": "Secret"}',
        b'{"apiVersion": "v1", "kind": "Secret", "metadata": []}',
        b'{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": 1, "resourceVersion": "7"}}',
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_a_response_without_the_requested_object_is_unavailable(
    server: FakeApiServer, connection: KubeConnection, body: bytes, content_type: str
) -> None:
    server.answers = [web.Response(body=body, content_type=content_type)]
    with pytest.raises(KubeUnavailable, match="the response is not from the Kubernetes API server"):
        await read(connection, timeouts=ONCE)


async def test_an_invalid_response_is_retried(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    server.answers = [page(), page(404)]
    assert (await read(connection)).body == SECRET
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    "body",
    [
        SECRET,
        {**EMPTY, "metadata": None},
        {**EMPTY, "items": "text"},
        {**EMPTY, "items": ["text"]},
        {**EMPTY, "items": [{"metadata": {"name": "one"}}]},
    ],
)
def test_a_list_without_objects_with_names_and_versions_is_invalid(body: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=r"^(it is not a list|an object has no name or no resourceVersion)$"
    ):
        object_list(json.dumps(body).encode())


def test_an_empty_list_may_be_null() -> None:
    assert object_list(json.dumps({**EMPTY, "items": None}).encode())["items"] == []


def test_a_success_status_is_a_valid_response() -> None:
    done = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success"}
    assert any_object(json.dumps(done).encode()) == done
    with pytest.raises(ValueError, match="no name"):
        stored_object(json.dumps(done).encode())


async def test_a_server_that_responds_with_ok_is_ready(connection: KubeConnection) -> None:
    await connection.ready()


async def test_an_html_page_does_not_mean_ready(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    server.answers = [page(), page()]
    await connection.ready()
    assert len(server.seen) == 3


async def test_an_invalid_response_does_not_set_the_clock(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    server.answers = [page()]
    with pytest.raises(KubeUnavailable):
        await read(connection, timeouts=ONCE)
    assert not connection.clock.known


@pytest.mark.parametrize("token", ["good\n", "good\r\nX-Another: 1"])
async def test_a_token_that_is_invalid_in_a_header_is_unavailable(
    server: FakeApiServer, connect: Connect, token: str
) -> None:
    connection = await connect(token=token)
    with pytest.raises(KubeUnavailable, match="cannot be sent: ValueError"):
        await read(connection, timeouts=ONCE)
    assert not server.seen


async def test_a_retry_after_of_zero_still_backs_off(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    busy = [status(429, message="busy") for _ in range(1000)]
    for each in busy:
        each.headers["Retry-After"] = "0"
    server.answers = list(busy)
    with pytest.raises(KubeUnavailable, match="busy"):
        await read(connection, timeouts=CallTimeouts(total=1.0))
    assert len(server.seen) < 15


def plugin(directory: Path) -> dict[str, Any]:
    """The exec plugin of a user: a program that prints the token in a file."""
    program = directory / "plugin.py"
    program.write_text(
        "import json, os, pathlib, time\n"
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "here = pathlib.Path(__file__).parent\n"
        "(here / 'runs').open('a').write('.')\n"
        "if (here / 'hang').exists(): time.sleep(600)\n"
        "status = {'token': (here / 'token').read_text()}\n"
        "print(json.dumps({**info, 'status': status}))\n"
    )
    (directory / "token").write_text("good")
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(program)],
    }


async def test_an_expired_token_of_an_exec_plugin_is_renewed(
    server: FakeApiServer, connect: Connect, tmp_path: Path
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    await read(connection)
    (tmp_path / "token").write_text("newer")
    server.tokens = {"newer"}
    await read(connection)
    assert server.seen == ["good", "good", "newer"]


async def test_concurrent_401s_share_one_renewal(
    server: FakeApiServer, connect: Connect, tmp_path: Path
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    (tmp_path / "token").write_text("newer")
    server.tokens = {"newer"}
    await asyncio.gather(*(read(connection) for _ in range(20)))
    assert (tmp_path / "runs").read_text() == ".."


async def test_a_renewed_login_that_is_rejected_is_not_renewed_at_once(
    server: FakeApiServer, connect: Connect, tmp_path: Path
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    server.tokens = set()
    for _ in range(5):
        with pytest.raises(KubeUnauthorized):
            await read(connection)
    assert (tmp_path / "runs").read_text() == ".."
    assert len(server.seen) == 6


async def test_a_failed_renewal_is_logged_and_retried_later(
    server: FakeApiServer, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    server.tokens = set()
    (tmp_path / "token").unlink()
    with pytest.raises(KubeUnauthorized):
        await read(connection)
    assert "logging in again to the Kubernetes API failed" in caplog.text
    assert "FileNotFoundError" in caplog.text
    assert server.seen == ["good"]


async def test_a_changed_token_file_is_reloaded(
    server: FakeApiServer, connect: Connect, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("good")
    connection = await connect(tokenFile=str(file))
    server.tokens = {"newer"}
    file.write_text("newer")
    await read(connection)
    assert server.seen == ["good", "newer"]


async def test_a_hanging_plugin_blocks_neither_calls_nor_close(
    server: FakeApiServer, connect: Connect, tmp_path: Path
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    server.tokens = set()
    (tmp_path / "hang").touch()
    began = asyncio.get_running_loop().time()
    with pytest.raises(KubeUnauthorized):
        await read(connection, timeouts=CallTimeouts(total=1.0))
    assert asyncio.get_running_loop().time() - began < 3
    await connection.close()


async def test_a_plugin_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    user = {"exec": plugin(tmp_path)}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1", user)
    (tmp_path / "hang").touch()
    with pytest.raises(EnvError, match="it took longer than 1 s"):
        await new_client(kubeconfig, None, limit=1.0)
    running = [
        each
        for each in Path("/proc").glob("[0-9]*/cmdline")
        if str(tmp_path / "plugin.py").encode() in _content(each)
    ]
    assert not running


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; sys.exit('log in first')", "exited with 1: log in first"),
        ("print('no JSON')", "Expecting value"),
        ("""print('{"status": {}}')""", "printed neither a token nor a certificate"),
        ("print('[]')", "list indices"),
    ],
)
async def test_a_failing_plugin_is_reported(tmp_path: Path, program: str, message: str) -> None:
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": ["-c", program],
        }
    }
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1", user)
    with pytest.raises(EnvError, match=message):
        await KubeConnection(kubeconfig).open()


async def test_a_certificate_of_an_exec_plugin_is_renewed_too(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    seen = []

    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        ((_, name),) = request.transport.get_extra_info("peercert")["subject"][-1]
        seen.append(name)
        return web.json_response(SECRET) if name == "newer" else status(401)

    def give(name: str) -> None:
        """Let the plugin print a certificate with this name."""
        certificate = ca.issue_cert(f"{name}.example.org", common_name=name)
        credential = {
            "clientCertificateData": certificate.cert_chain_pems[0].bytes().decode(),
            "clientKeyData": certificate.private_key_pem.bytes().decode(),
        }
        (tmp_path / "output").write_text(json.dumps({"status": credential}))

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    url = (await aiohttp_server(app, ssl=context)).make_url("")
    exec_ = {"apiVersion": "v1", "command": "cat", "args": [str(tmp_path / "output")]}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", url, {"exec": exec_}, ca)
    give("first")
    connection = KubeConnection(kubeconfig)
    await connection.open()
    give("newer")
    try:
        assert (await read(connection)).body == SECRET
    finally:
        await connection.close()
    assert seen == ["first", "newer"]


async def test_the_credentials_of_a_plugin_are_not_written_to_the_kubeconfig(
    connect: Connect, tmp_path: Path
) -> None:
    await connect(exec=plugin(tmp_path))
    assert "good" not in (tmp_path / "kubeconfig").read_text()


async def test_a_stream_renews_the_login_too(
    server: FakeApiServer, connect: Connect, tmp_path: Path
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    (tmp_path / "token").write_text("newer")
    server.tokens = {"newer"}
    server.answers = [web.Response(text="a line\n")]
    api = client.CoreV1Api(connection.client)
    chunks = [each async for each in connection.stream(api.read_namespaced_pod_log, "pod", "a")]
    assert b"".join(chunks) == b"a line\n"


async def test_a_stream_raises_the_errors_of_a_call(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    server.answers = [status(404, message="there is no such pod")]
    api = client.CoreV1Api(connection.client)
    with pytest.raises(KubeError, match="there is no such pod"):
        await anext(connection.stream(api.read_namespaced_pod_log, "pod", "a"))
