"""How the command line finds the service, and what it says where it does not."""

import datetime
import ssl
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_aiohttp.plugin import AiohttpServer

from tests.cli.conftest import Run


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
async def test_a_service_that_cannot_be_reached_is_one_line_and_exit_code_2(
    run: Run, url: str
) -> None:
    result = await run("config", "show", COMPONENTS_URL=url)
    assert result.exit_code == 2
    assert result.stderr == f"error: cannot reach the service at {url}: connection refused\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"COMPONENTS_TOOL": "My_Tool"}, "'My_Tool' is not a DNS label"),
        ({"COMPONENTS_TOOL": ""}, "Missing option '--tool'"),
        ({"COMPONENTS_URL": "ftp://x"}, "'ftp://x' is not an http or https URL"),
        ({"COMPONENTS_URL": "http://[x"}, "'http://[x' is not an http or https URL"),
    ],
)
async def test_a_bad_setting_is_a_usage_error(run: Run, env: dict[str, str], message: str) -> None:
    result = await run("config", "show", **env)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("body", ["<html>a proxy</html>", "[]", '{"data": 1}'])
async def test_an_answer_of_something_else_is_told(
    run: Run, aiohttp_server: AiohttpServer, body: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    server = await aiohttp_server(app)
    result = await run("config", "show", COMPONENTS_URL=str(server.make_url("/")))
    assert result.exit_code == 2
    assert "answered 200, and not as this service does" in result.stderr


async def test_the_subject_is_sent_only_to_this_machine_and_only_in_plain_text(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers.get("x-subject"))
        return web.json_response(
            {
                "data": {"deployments": []},
                "messages": {"info": ["hello"], "warning": [], "error": []},
            }
        )

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    server = await aiohttp_server(app)
    env = {"COMPONENTS_AUTH_HEADER": "x-subject", "COMPONENTS_AUTH_ORGANIZATION": "cloud, inc"}
    url = server.make_url("/").with_host("localhost")
    result = await run("deployment", "list", COMPONENTS_URL=str(url), **env)
    assert result.stderr == "hello\n"
    assert seen == ["CN=mytool,O=cloud\\, inc"]


async def test_the_service_may_live_below_a_path(run: Run, aiohttp_server: AiohttpServer) -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.json_response({"data": None, "messages": {"error": ["no"]}}, status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    server = await aiohttp_server(app)
    await run("config", "show", COMPONENTS_URL=str(server.make_url("/components")))
    assert paths == ["/components/api/v1/tool/mytool/config"]


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """Write a self-signed certificate of 127.0.0.1 and its key; return where they are."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = directory / f"{name}.pem", directory / f"{name}.key"
    cert_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


async def test_over_tls_the_client_certificate_says_who_asks(
    run: Run, aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert")
        seen.append(peer["subject"][0][0][1])
        seen.append(request.headers.get("ssl-client-subject-dn"))
        return web.json_response(
            {"data": {"deployments": []}, "messages": {"info": [], "warning": [], "error": []}}
        )

    server_cert, server_key = certificate(tmp_path, "server")
    client_cert, client_key = certificate(tmp_path, "mytool")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_cert)
    context.load_cert_chain(server_cert, server_key)
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    server = await aiohttp_server(app, ssl=context)
    env = {
        "COMPONENTS_URL": f"https://127.0.0.1:{server.port}",
        "COMPONENTS_CLIENT_CERT": str(client_cert),
        "COMPONENTS_CLIENT_KEY": str(client_key),
        "COMPONENTS_CLIENT_CA": str(server_cert),
    }
    result = await run("deployment", "list", **env)
    assert result.exit_code == 0, result.stderr
    assert seen == ["mytool", None]


async def test_a_certificate_that_cannot_be_used_is_told(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    result = await run("config", "show", COMPONENTS_CLIENT_CERT=str(bad))
    assert result.exit_code == 2
    assert "the client certificate cannot be used" in result.stderr
