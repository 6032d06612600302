"""How the command line finds the service, and what it says where it does not."""

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
async def test_the_subject_is_sent_only_to_this_machine_and_only_in_plain_text(
    url: str, sent: bool
) -> None:
    async with connect(Connection(URL(url), "mytool", "x-subject", "toolforge")) as client:
        assert ("x-subject" in client.session.headers) == sent


async def test_the_subject_is_written_as_rfc_4514_has_it(
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


async def test_over_tls_the_client_certificate_says_who_asks(
    run: Run, aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert")
        seen.append(dict(each[0] for each in peer["subject"])["commonName"])
        seen.append(request.headers.get("ssl-client-subject-dn"))
        return web.json_response(
            {"data": {"deployments": []}, "messages": {"info": [], "warning": [], "error": []}}
        )

    authority = trustme.CA()
    paths = {name: str(tmp_path / name) for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(paths["ca"])
    leaf = authority.issue_cert("mytool@example.org", common_name="mytool")
    leaf.cert_chain_pems[0].write_to_path(paths["cert"])
    leaf.private_key_pem.write_to_path(paths["key"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=paths["ca"])
    authority.issue_cert("127.0.0.1").configure_cert(context)
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
    assert seen == ["mytool", None]
    del env["COMPONENTS_CLIENT_CA"]
    result = await run("deployment", "list", **env)
    assert result.exit_code == 2
    assert "certificate verify failed" in result.stderr


async def test_a_certificate_that_cannot_be_used_is_told(run: Run, tmp_path: Path) -> None:
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
