"""TLS terminated by the service: client certificates, trusted gateways, and changing files."""

import asyncio
import ssl

import aiohttp
import pytest
import trustme
from aiohttp import web

from backends.stores.memory import MemoryStore
from components.http.app import create_app, create_probe_app
from components.http.keys import GATEWAYS
from components.settings import Settings, SettingsError
from tests.builders.scripted import ScriptedBuilder
from tests.http.conftest import HEADER, Listen
from tests.http.server.tls_files import Files

GATEWAY = "CN=gateway,OU=tests,O=platform"


async def status(
    url: str, context: ssl.SSLContext | bool = True, header: str | None = None, tool: str = "mytool"
) -> int:
    """Read a tool's deployments on a new connection; return the status."""
    headers = {HEADER: header} if header is not None else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{url}/api/v1/tool/{tool}/deploy", ssl=context) as response,
    ):
        return response.status


async def test_the_subject_of_the_client_certificate_is_used(files: Files, listen: Listen) -> None:
    _, url = await listen(files.settings())
    assert url.startswith("https://127.0.0.1:")
    assert await status(url, files.client()) == 200
    assert await status(url, files.client("other")) == 403
    assert await status(url, files.client(organization="elsewhere")) == 403


async def test_the_subject_header_of_other_clients_than_a_gateway_is_ignored(
    files: Files, listen: Listen
) -> None:
    _, url = await listen(files.settings(gateway_subjects=(GATEWAY,)))
    theirs = "CN=mytool,O=toolforge"
    assert await status(url, files.client("other"), theirs) == 403
    assert await status(url, files.client(), "CN=other,O=toolforge") == 200


async def test_the_subject_header_of_a_gateway_is_trusted(files: Files, listen: Listen) -> None:
    subjects = ("O=elsewhere,CN=x", "O=platform,CN=gateway,OU=tests")
    _, url = await listen(files.settings(gateway_subjects=subjects))
    gateway = files.client("gateway", "platform")
    assert await status(url, gateway, "CN=mytool,O=toolforge") == 200
    assert await status(url, gateway, "CN=other,O=toolforge") == 403
    assert await status(url, gateway) == 401


async def test_a_certificate_without_a_usable_subject_is_unauthenticated(
    files: Files, listen: Listen
) -> None:
    _, url = await listen(files.settings())
    context = ssl.create_default_context()
    files.server_ca.configure_trust(context)
    files.client_ca.issue_cert("x@example.org").configure_cert(context)
    assert await status(url, context) == 401


async def test_clients_without_a_certificate_of_the_ca_cannot_connect(
    files: Files, listen: Listen
) -> None:
    _, url = await listen(files.settings())
    without_certificate = ssl.create_default_context()
    files.server_ca.configure_trust(without_certificate)
    for context in (without_certificate, files.client(by=trustme.CA())):
        with pytest.raises(aiohttp.ClientError):
            await status(url, context)


async def test_plain_text_is_rejected_on_a_tls_port(files: Files, listen: Listen) -> None:
    _, url = await listen(files.settings())
    with pytest.raises(aiohttp.ClientError):
        await status(url.replace("https", "http"))


async def test_unchanged_tls_files_are_not_reloaded(files: Files, listen: Listen) -> None:
    listener, url = await listen(files.settings())
    assert not await listener.renew()
    assert await status(url, files.client()) == 200


async def test_a_renewed_certificate_is_used_without_a_restart(
    files: Files, listen: Listen
) -> None:
    listener, url = await listen(files.settings())
    old = files.client()
    files.server_ca = trustme.CA()
    files.write_certificate()
    assert await listener.renew()
    assert await status(url, files.client()) == 200
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await status(url, old)


async def test_an_added_ca_is_trusted_and_a_removed_one_is_not(
    files: Files, listen: Listen
) -> None:
    listener, url = await listen(files.settings())
    new = trustme.CA()
    files.trust(files.client_ca, new)
    assert await listener.renew()
    assert await status(url, files.client()) == 200
    assert await status(url, files.client(by=new)) == 200
    files.trust(new)
    assert await listener.renew()
    assert await status(url, files.client(by=new)) == 200
    with pytest.raises(aiohttp.ClientError):
        await status(url, files.client())


async def test_a_tls_session_of_a_removed_ca_cannot_be_resumed(
    files: Files, listen: Listen
) -> None:
    listener, url = await listen(files.settings())
    context = files.client()  # keeps the sessions of its connections
    assert await status(url, context) == 200
    files.trust(trustme.CA())
    await listener.renew()
    with pytest.raises(aiohttp.ClientError):
        await status(url, context)


async def test_connections_from_before_a_reload_are_closed(files: Files, listen: Listen) -> None:
    listener, url = await listen(files.settings())
    async with aiohttp.ClientSession() as session:
        path = f"{url}/api/v1/tool/mytool/deploy"
        async with session.get(path, ssl=files.client()) as response:
            assert response.status == 200
        files.trust(trustme.CA())
        await listener.renew()
        with pytest.raises(aiohttp.ClientError):
            await session.post(path, ssl=files.client())


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
@pytest.mark.parametrize("content", [b"", b"half", None])
async def test_invalid_tls_files_are_not_loaded(
    files: Files,
    listen: Listen,
    caplog: pytest.LogCaptureFixture,
    name: str,
    content: bytes | None,
) -> None:
    listener, url = await listen(files.settings())
    path = files.directory / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert not await listener.renew()
    assert "cannot be used" in caplog.text
    assert await status(url, files.client()) == 200


async def test_a_stopped_listener_accepts_no_connections(files: Files, listen: Listen) -> None:
    listener, url = await listen(files.settings())
    await listener.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await status(url, files.client())


async def test_a_handshake_from_before_a_reload_is_rejected(files: Files, listen: Listen) -> None:
    listener, url = await listen(files.settings())
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.to_thread(lambda: None)  # the server has accepted, and waits for a handshake
    files.trust(trustme.CA())
    await listener.renew()
    try:
        await writer.start_tls(files.client(), server_hostname="127.0.0.1")
        writer.write(b"GET /api/v1/tool/mytool/deploy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " not in await reader.readline()
    except (OSError, ssl.SSLError):
        pass  # rejected even earlier
    writer.close()


async def test_a_gateway_subject_must_not_be_empty() -> None:
    app = create_app(Settings(gateway_subjects=()))
    assert app[GATEWAYS] == ()
    with pytest.raises(SettingsError, match="GATEWAY_SUBJECTS: it is empty"):
        create_app(Settings(gateway_subjects=("",)))


async def test_an_invalid_gateway_subject_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="COMPONENTS_GATEWAY_SUBJECTS"):
        create_app(Settings(gateway_subjects=("the gateway",)))


async def test_without_tls_the_header_is_trusted_from_this_machine(listen: Listen) -> None:
    listener, url = await listen(Settings(port=0))
    assert await status(url, header="CN=mytool,O=toolforge") == 200
    assert not await listener.renew()


@pytest.mark.parametrize(("trusted", "expected"), [(False, 401), (True, 200)])
async def test_without_tls_the_header_of_other_machines_is_trusted_only_by_a_setting(
    listen: Listen, trusted: bool, expected: int
) -> None:
    @web.middleware
    async def from_elsewhere(request: web.Request, handler: object) -> web.StreamResponse:
        # As a request from another machine; the test has no other machine.
        return await handler(request.clone(remote="192.0.2.1"))  # type: ignore[operator, no-any-return]

    app = create_app(Settings(port=0, trust_plaintext=trusted), MemoryStore(), ScriptedBuilder())
    app.middlewares.insert(1, from_elsewhere)
    _, url = await listen(Settings(port=0), app)
    assert await status(url, header="CN=mytool,O=toolforge") == expected


async def test_health_checks_can_have_a_plain_text_port(files: Files, listen: Listen) -> None:
    settings = files.settings(probe_port=0)
    app = create_app(settings, MemoryStore(), ScriptedBuilder())
    _, main_url = await listen(settings, app)
    _, probe_url = await listen(settings.for_probes(), create_probe_app(app))
    async with aiohttp.ClientSession() as session:
        for path, expected in (("/healthz", 200), ("/readyz", 200), ("/openapi.json", 404)):
            async with session.get(f"{probe_url}{path}") as response:
                assert response.status == expected
        for path, expected in (("/healthz", 404), ("/readyz", 404), ("/openapi.json", 200)):
            async with session.get(f"{main_url}{path}", ssl=files.client()) as response:
                assert response.status == expected
