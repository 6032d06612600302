"""What a call makes of an answer that is none or late, and of a login that has ended."""

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

from backends.kube.answers import a_list, an_object, anything
from backends.kube.configuration import new_client
from backends.kube.connection import Answer, KubeConnection, Patience
from backends.kube.errors import KubeError, KubeUnauthorized, KubeUnavailable
from tests.kube.conftest import Connect
from tests.kube.stand_in import (
    EMPTY,
    SECRET,
    StandIn,
    page,
    status,
    write_kubeconfig,
)

ONCE = Patience(total=0.01)


async def read(connection: KubeConnection, **options: Any) -> Answer:
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
async def test_what_is_not_the_object_that_was_asked_for_is_no_answer(
    server: StandIn, connection: KubeConnection, body: bytes, content_type: str
) -> None:
    server.answers = [web.Response(body=body, content_type=content_type)]
    with pytest.raises(KubeUnavailable, match="what answers is not the Kubernetes API server"):
        await read(connection, patience=ONCE)


async def test_it_is_asked_for_again(server: StandIn, connection: KubeConnection) -> None:
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
def test_a_list_is_one_of_objects_with_names_and_versions(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^(it is no list|an object has no name, or no version)$"):
        a_list(json.dumps(body).encode())


def test_a_list_of_nothing_may_be_null() -> None:
    assert a_list(json.dumps({**EMPTY, "items": None}).encode())["items"] == []


def test_what_is_done_may_be_answered_by_a_status() -> None:
    done = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success"}
    assert anything(json.dumps(done).encode()) == done
    with pytest.raises(ValueError, match="no name"):
        an_object(json.dumps(done).encode())


async def test_a_server_that_says_ok_is_ready(connection: KubeConnection) -> None:
    await connection.ready()


async def test_a_page_is_not_the_server_that_is_ready(
    server: StandIn, connection: KubeConnection
) -> None:
    server.answers = [page(), page()]
    await connection.ready()
    assert len(server.seen) == 3


async def test_what_is_no_answer_tells_no_time(server: StandIn, connection: KubeConnection) -> None:
    server.answers = [page()]
    with pytest.raises(KubeUnavailable):
        await read(connection, patience=ONCE)
    assert not connection.clock.known


@pytest.mark.parametrize("token", ["good\n", "good\r\nX-Another: 1"])
async def test_a_token_that_no_header_can_hold_is_that_nobody_can_be_asked(
    server: StandIn, connect: Connect, token: str
) -> None:
    connection = await connect(token=token)
    with pytest.raises(KubeUnavailable, match="cannot be asked: ValueError"):
        await read(connection, patience=ONCE)
    assert not server.seen


async def test_a_request_to_wait_for_nothing_is_not_a_request_to_hammer(
    server: StandIn, connection: KubeConnection
) -> None:
    busy = [status(429, message="busy") for _ in range(1000)]
    for each in busy:
        each.headers["Retry-After"] = "0"
    server.answers = list(busy)
    with pytest.raises(KubeUnavailable, match="busy"):
        await read(connection, patience=Patience(total=1.0))
    assert len(server.seen) < 15


def plugin(directory: Path) -> dict[str, Any]:
    """The exec plugin of a user: a program that prints the token that is in a file."""
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


async def test_a_token_of_an_exec_plugin_that_has_ended_is_renewed(
    server: StandIn, connect: Connect, tmp_path: Path
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    await read(connection)
    (tmp_path / "token").write_text("newer")
    server.tokens = {"newer"}
    await read(connection)
    assert server.seen == ["good", "good", "newer"]


async def test_all_who_are_not_let_in_wait_for_one_renewal(
    server: StandIn, connect: Connect, tmp_path: Path
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    (tmp_path / "token").write_text("newer")
    server.tokens = {"newer"}
    await asyncio.gather(*(read(connection) for _ in range(20)))
    assert (tmp_path / "runs").read_text() == ".."


async def test_a_login_that_is_still_refused_is_not_renewed_at_once_again(
    server: StandIn, connect: Connect, tmp_path: Path
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    server.tokens = set()
    for _ in range(5):
        with pytest.raises(KubeUnauthorized):
            await read(connection)
    assert (tmp_path / "runs").read_text() == ".."
    assert len(server.seen) == 6


async def test_a_login_that_cannot_be_renewed_is_told_and_tried_again_later(
    server: StandIn, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    server.tokens = set()
    (tmp_path / "token").unlink()
    with pytest.raises(KubeUnauthorized):
        await read(connection)
    assert "logging in anew to the Kubernetes API failed" in caplog.text
    assert "FileNotFoundError" in caplog.text
    assert server.seen == ["good"]


async def test_a_token_file_that_has_changed_is_read_again(
    server: StandIn, connect: Connect, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("good")
    connection = await connect(tokenFile=str(file))
    server.tokens = {"newer"}
    file.write_text("newer")
    await read(connection)
    assert server.seen == ["good", "newer"]


async def test_a_plugin_that_hangs_holds_nobody_up_and_nothing_open(
    server: StandIn, connect: Connect, tmp_path: Path
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    server.tokens = set()
    (tmp_path / "hang").touch()
    began = asyncio.get_running_loop().time()
    with pytest.raises(KubeUnauthorized):
        await read(connection, patience=Patience(total=1.0))
    assert asyncio.get_running_loop().time() - began < 3
    await connection.close()


async def test_a_plugin_that_takes_too_long_is_ended(tmp_path: Path) -> None:
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
    ("program", "told"),
    [
        ("import sys; sys.exit('log in first')", "ended with 1: log in first"),
        ("print('no JSON')", "Expecting value"),
        ("""print('{"status": {}}')""", "has printed neither a token nor a certificate"),
        ("print('[]')", "list indices"),
    ],
)
async def test_a_plugin_that_fails_is_told(tmp_path: Path, program: str, told: str) -> None:
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": ["-c", program],
        }
    }
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1", user)
    with pytest.raises(EnvError, match=told):
        await KubeConnection(kubeconfig).open()


async def test_a_certificate_of_an_exec_plugin_is_renewed_too(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    seen = []

    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        ((_, name),) = request.transport.get_extra_info("peercert")["subject"][-1]
        seen.append(name)
        return web.json_response(SECRET) if name == "newer" else status(401)

    def give(name: str) -> None:
        """Let the plugin print a certificate of this name."""
        certificate = authority.issue_cert(f"{name}.example.org", common_name=name)
        said = {
            "clientCertificateData": certificate.cert_chain_pems[0].bytes().decode(),
            "clientKeyData": certificate.private_key_pem.bytes().decode(),
        }
        (tmp_path / "said").write_text(json.dumps({"status": said}))

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    url = (await aiohttp_server(app, ssl=context)).make_url("")
    exec_ = {"apiVersion": "v1", "command": "cat", "args": [str(tmp_path / "said")]}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", url, {"exec": exec_}, authority)
    give("first")
    connection = KubeConnection(kubeconfig)
    await connection.open()
    give("newer")
    try:
        assert (await read(connection)).body == SECRET
    finally:
        await connection.close()
    assert seen == ["first", "newer"]


async def test_what_a_plugin_says_is_not_written_into_the_kubeconfig(
    connect: Connect, tmp_path: Path
) -> None:
    await connect(exec=plugin(tmp_path))
    assert "good" not in (tmp_path / "kubeconfig").read_text()


async def test_a_log_is_read_with_a_new_login_too(
    server: StandIn, connect: Connect, tmp_path: Path
) -> None:
    connection = await connect(exec=plugin(tmp_path))
    (tmp_path / "token").write_text("newer")
    server.tokens = {"newer"}
    server.answers = [web.Response(text="a line\n")]
    api = client.CoreV1Api(connection.client)
    chunks = [each async for each in connection.stream(api.read_namespaced_pod_log, "pod", "a")]
    assert b"".join(chunks) == b"a line\n"


async def test_a_log_that_cannot_be_read_is_told_in_the_same_way(
    server: StandIn, connection: KubeConnection
) -> None:
    server.answers = [status(404, message="there is no such pod")]
    api = client.CoreV1Api(connection.client)
    with pytest.raises(KubeError, match="there is no such pod"):
        await anext(connection.stream(api.read_namespaced_pod_log, "pod", "a"))
