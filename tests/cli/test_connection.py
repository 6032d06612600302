"""How the command line connects to the service, and its errors."""

import ssl
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer
from yarl import URL

from components.cli.client import Connection, connect
from tests.cli.conftest import Run


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
async def test_an_unreachable_service_is_reported_in_one_line_with_exit_code_2(
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
async def test_an_invalid_setting_is_a_usage_error(
    run: Run, env: dict[str, str], message: str
) -> None:
    result = await run("config", "show", **env)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("body", ["<html>a proxy</html>", "[]", '{"data": 1}'])
async def test_a_response_of_another_service_is_reported(
    run: Run, aiohttp_server: AiohttpServer, body: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    server = await aiohttp_server(app)
    result = await run("config", "show", COMPONENTS_URL=str(server.make_url("/")))
    assert result.exit_code == 2
    assert "returned 200, but not a response of this service" in result.stderr


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("https://127.0.0.1:8000", False),
        ("http://service.example.org", False),
        ("http://192.0.2.1", False),
    ],
)
async def test_the_subject_header_is_sent_only_to_this_machine_in_plain_text(
    url: str, sent: bool
) -> None:
    async with connect(Connection(URL(url), "mytool", "x-subject", "toolforge")) as client:
        assert ("x-subject" in client.session.headers) == sent


async def test_the_subject_is_formatted_according_to_rfc_4514(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    received: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        received.append(request.headers.get("x-subject"))
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
    assert received == ["CN=mytool,O=cloud\\, inc"]


async def test_the_url_of_the_service_may_have_a_path(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.json_response({"data": None, "messages": {"error": ["no"]}}, status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    server = await aiohttp_server(app)
    await run("config", "show", COMPONENTS_URL=str(server.make_url("/components")))
    assert paths == ["/components/api/v1/tool/mytool/config"]


async def test_over_tls_the_client_certificate_identifies_the_caller(
    run: Run, aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    received: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert")
        received.append(dict(each[0] for each in peer["subject"])["commonName"])
        received.append(request.headers.get("ssl-client-subject-dn"))
        return web.json_response(
            {"data": {"deployments": []}, "messages": {"info": [], "warning": [], "error": []}}
        )

    ca = trustme.CA()
    paths = {name: str(tmp_path / name) for name in ("ca", "cert", "key")}
    ca.cert_pem.write_to_path(paths["ca"])
    leaf = ca.issue_cert("mytool@example.org", common_name="mytool")
    leaf.cert_chain_pems[0].write_to_path(paths["cert"])
    leaf.private_key_pem.write_to_path(paths["key"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=paths["ca"])
    ca.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    server = await aiohttp_server(app, ssl=context)
    env = {
        "COMPONENTS_URL": f"https://127.0.0.1:{server.port}",
        "COMPONENTS_CLIENT_CERT": paths["cert"],
        "COMPONENTS_CLIENT_KEY": paths["key"],
        "COMPONENTS_CLIENT_CA": paths["ca"],
    }
    result = await run("deployment", "list", **env)
    assert result.exit_code == 0, result.stderr
    assert received == ["mytool", None]
    del env["COMPONENTS_CLIENT_CA"]
    result = await run("deployment", "list", **env)
    assert result.exit_code == 2
    assert "certificate verify failed" in result.stderr


async def test_an_unusable_certificate_is_reported(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    result = await run("config", "show", COMPONENTS_CLIENT_CERT=str(bad))
    assert result.exit_code == 2
    assert f"the certificate file {bad} cannot be used" in result.stderr
    missing = str(tmp_path / "missing.pem")
    result = await run("config", "show", COMPONENTS_CLIENT_CA=missing)
    assert result.stderr == (
        f"error: the certificate file {missing} cannot be used: No such file or directory\n"
    )
