"""The connection to the service: settings, certificates and redirects."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from environs import Env, EnvError
from pytest_aiohttp.plugin import AiohttpServer
from yarl import URL

from backends.builders.base import BuilderUnavailable
from backends.builders.toolforge import ToolforgeBuilder
from backends.toolforge.files import ClientFiles
from tests.builders.toolforge.builds_service import BuildsService
from tests.factories import TOOL, build_request


@pytest.mark.parametrize("url", ["", "example.org", "ftp://example.org", "https://u:p@example.org"])
async def test_an_invalid_url_names_the_setting(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("COMPONENTS_TOOLFORGE_URL", url)
    with pytest.raises(EnvError, match="COMPONENTS_TOOLFORGE_URL: must be the http or https URL"):
        await ToolforgeBuilder.from_env(Env(prefix="COMPONENTS_")).open()


async def test_a_certificate_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPONENTS_TOOLFORGE_URL", "https://api.example.org:30003")
    monkeypatch.setenv("COMPONENTS_TOOLFORGE_CERT", "tls.crt")
    with pytest.raises(EnvError, match="_CERT and _KEY must be set together"):
        await ToolforgeBuilder.from_env(Env(prefix="COMPONENTS_")).open()


async def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPONENTS_TOOLFORGE_URL", "https://api.example.org:30003")
    monkeypatch.setenv("COMPONENTS_TOOLFORGE_CA", "/nowhere/ca.crt")
    builder = ToolforgeBuilder.from_env(Env(prefix="COMPONENTS_"))
    with pytest.raises(EnvError, match=r"/nowhere/ca\.crt cannot be used: No such file"):
        await builder.open()


def test_the_start_timeout_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    env = Env(prefix="COMPONENTS_")
    assert ToolforgeBuilder.from_env(env).settling == timedelta(seconds=120)
    monkeypatch.setenv("COMPONENTS_TOOLFORGE_START_TIMEOUT", "45")
    assert ToolforgeBuilder.from_env(env).settling == timedelta(seconds=45)
    monkeypatch.setenv("COMPONENTS_TOOLFORGE_START_TIMEOUT", "0")
    with pytest.raises(EnvError, match="COMPONENTS_TOOLFORGE_START_TIMEOUT"):
        ToolforgeBuilder.from_env(env)


class Files:
    """The files of a client, signed by a CA that a test may change."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.server_ca = trustme.CA()
        self.server_ca.cert_pem.write_to_path(directory / "ca.crt")

    def sign(self, by: trustme.CA) -> ClientFiles:
        leaf = by.issue_cert("components-api.example.org", common_name="components-api")
        leaf.cert_chain_pems[0].write_to_path(self.directory / "tls.crt")
        leaf.private_key_pem.write_to_path(self.directory / "tls.key")
        return ClientFiles(*(str(self.directory / f) for f in ("tls.crt", "tls.key", "ca.crt")))

    def server(self, clients: trustme.CA) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server_ca.issue_cert("127.0.0.1").configure_cert(context)
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


async def test_the_client_certificate_is_used_and_reloaded_when_renewed(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    files, clients, strangers = Files(tmp_path), trustme.CA(), trustme.CA()
    server = await aiohttp_server(BuildsService().app(), ssl=files.server(clients))
    url = URL(f"https://127.0.0.1:{server.port}/builds")
    builder = ToolforgeBuilder(url, files.sign(strangers))
    await builder.open()
    try:
        with pytest.raises(BuilderUnavailable):
            await builder.ping()
        files.sign(clients)
        await builder.ping()
    finally:
        await builder.close()


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\n", b"\xff\x00"])
@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
async def test_a_temporarily_invalid_file_changes_nothing(
    aiohttp_server: AiohttpServer, tmp_path: Path, name: str, content: bytes
) -> None:
    files, clients = Files(tmp_path), trustme.CA()
    server = await aiohttp_server(BuildsService().app(), ssl=files.server(clients))
    url = URL(f"https://127.0.0.1:{server.port}/builds")
    builder = ToolforgeBuilder(url, files.sign(clients))
    await builder.open()
    try:
        (tmp_path / name).write_bytes(content)
        await builder.ping()
        (tmp_path / name).unlink()
        await builder.start(build_request())
    finally:
        await builder.close()


async def test_an_encrypted_key_does_not_prompt_for_a_password(tmp_path: Path) -> None:
    key = trustme.CA().issue_cert("components-api.example.org")
    key.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    private = load_pem_private_key(key.private_key_pem.bytes(), None)
    encrypted = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "tls.key").write_bytes(encrypted)
    files = ClientFiles(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    builder = ToolforgeBuilder(URL("https://api.example.org:30003/builds"), files)
    with pytest.raises(EnvError, match="cannot be used"):
        await builder.open()


async def test_a_service_with_an_untrusted_certificate_is_rejected(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    files, clients = Files(tmp_path), trustme.CA()
    server = await aiohttp_server(BuildsService().app(), ssl=files.server(clients))
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
    url = URL(f"https://127.0.0.1:{server.port}/builds")
    builder = ToolforgeBuilder(url, files.sign(clients))
    await builder.open()
    try:
        with pytest.raises(BuilderUnavailable) as caught:
            await builder.ping()
        assert "its TLS certificate is not accepted" in str(caught.value)
    finally:
        await builder.close()


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=302, headers={"Location": "https://elsewhere.example.org/"}),
        web.Response(text="<html>"),
        web.json_response([]),
        web.json_response({"builds": "none"}),
    ],
    ids=["redirect", "html", "list", "shape"],
)
async def test_a_response_that_is_not_from_the_builds_service_is_reported(
    aiohttp_server: AiohttpServer, answer: web.Response
) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", respond)
    builder = ToolforgeBuilder(URL(str((await aiohttp_server(app)).make_url("/builds"))), within=1)
    await builder.open()
    try:
        with pytest.raises(BuilderUnavailable, match="the builds service"):
            await builder.get(TOOL, ["x"])
    finally:
        await builder.close()
