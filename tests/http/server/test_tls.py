"""TLS that the service ends itself: who connects, who is believed, and files that change."""

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
    """Ask for a tool's deployments on a new connection; return the status."""
    headers = {HEADER: header} if header is not None else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{url}/api/v1/tool/{tool}/deploy", ssl=context) as response,
    ):
        return response.status


async def test_a_client_is_who_its_certificate_says(files: Files, listen: Listen) -> None:
    _, url = await listen(files.settings())
    assert url.startswith("https://127.0.0.1:")
    assert await status(url, files.client()) == 200
    assert await status(url, files.client("other")) == 403
    assert await status(url, files.client(organization="elsewhere")) == 403


async def test_a_header_of_anyone_but_the_gateway_is_ignored(files: Files, listen: Listen) -> None:
    _, url = await listen(files.settings(gateway_subjects=(GATEWAY,)))
    theirs = "CN=mytool,O=toolforge"
    assert await status(url, files.client("other"), theirs) == 403
    assert await status(url, files.client(), "CN=other,O=toolforge") == 200


async def test_the_header_of_the_gateway_is_believed(files: Files, listen: Listen) -> None:
    subjects = ("O=elsewhere,CN=x", "O=platform,CN=gateway,OU=tests")
    _, url = await listen(files.settings(gateway_subjects=subjects))
    gateway = files.client("gateway", "platform")
    assert await status(url, gateway, "CN=mytool,O=toolforge") == 200
    assert await status(url, gateway, "CN=other,O=toolforge") == 403
    assert await status(url, gateway) == 401


async def test_a_certificate_without_a_subject_of_ours_is_nobody(
    files: Files, listen: Listen
) -> None:
    _, url = await listen(files.settings())
    context = ssl.create_default_context()
    files.server_ca.configure_trust(context)
    files.client_ca.issue_cert("x@example.org").configure_cert(context)
    assert await status(url, context) == 401


async def test_without_a_certificate_of_the_authority_nobody_connects(
    files: Files, listen: Listen
) -> None:
    _, url = await listen(files.settings())
    nobody = ssl.create_default_context()
    files.server_ca.configure_trust(nobody)
    for context in (nobody, files.client(by=trustme.CA())):
        with pytest.raises(aiohttp.ClientError):
            await status(url, context)


async def test_plain_text_is_not_spoken(files: Files, listen: Listen) -> None:
    _, url = await listen(files.settings())
    with pytest.raises(aiohttp.ClientError):
        await status(url.replace("https", "http"))


async def test_nothing_happens_while_the_files_are_the_same(files: Files, listen: Listen) -> None:
    listener, url = await listen(files.settings())
    assert not await listener.renew()
    assert await status(url, files.client()) == 200


async def test_a_renewed_certificate_is_taken_up_without_a_restart(
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


async def test_an_authority_that_was_added_is_accepted_and_one_taken_out_is_not(
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


async def test_a_session_of_an_authority_taken_out_cannot_be_resumed(
    files: Files, listen: Listen
) -> None:
    listener, url = await listen(files.settings())
    context = files.client()  # keeps the sessions of its connections
    assert await status(url, context) == 200
    files.trust(trustme.CA())
    await listener.renew()
    with pytest.raises(aiohttp.ClientError):
        await status(url, context)


async def test_a_connection_from_before_is_closed_and_not_used_again(
    files: Files, listen: Listen
) -> None:
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
async def test_files_that_cannot_be_used_leave_everything_as_it_was(
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


async def test_a_listener_that_stopped_takes_no_more_connections(
    files: Files, listen: Listen
) -> None:
    listener, url = await listen(files.settings())
    await listener.stop()
    with pytest.raises(aiohttp.ClientConnectorError):
        await status(url, files.client())


async def test_a_handshake_that_outlasts_a_change_of_files_is_of_no_use(
    files: Files, listen: Listen
) -> None:
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
        pass  # refused even earlier
    writer.close()


async def test_a_certificate_without_a_subject_is_no_gateways() -> None:
    app = create_app(Settings(gateway_subjects=()))
    assert app[GATEWAYS] == ()
    with pytest.raises(SettingsError, match="GATEWAY_SUBJECTS: it is empty"):
        create_app(Settings(gateway_subjects=("",)))


async def test_a_gateway_that_is_no_name_stops_the_start() -> None:
    with pytest.raises(SettingsError, match="COMPONENTS_GATEWAY_SUBJECTS"):
        create_app(Settings(gateway_subjects=("the gateway",)))


async def test_without_tls_the_header_is_believed_from_this_machine(listen: Listen) -> None:
    listener, url = await listen(Settings(port=0))
    assert await status(url, header="CN=mytool,O=toolforge") == 200
    assert not await listener.renew()


@pytest.mark.parametrize(("trusted", "expected"), [(False, 401), (True, 200)])
async def test_without_tls_the_header_of_others_is_believed_only_if_the_settings_say_so(
    listen: Listen, trusted: bool, expected: int
) -> None:
    @web.middleware
    async def from_elsewhere(request: web.Request, handler: object) -> web.StreamResponse:
        # What a request of another machine is; there is none to send it.
        return await handler(request.clone(remote="192.0.2.1"))  # type: ignore[operator, no-any-return]

    app = create_app(Settings(port=0, trust_plaintext=trusted), MemoryStore(), ScriptedBuilder())
    app.middlewares.insert(1, from_elsewhere)
    _, url = await listen(Settings(port=0), app)
    assert await status(url, header="CN=mytool,O=toolforge") == expected


async def test_health_checks_move_to_a_plain_port_of_their_own(
    files: Files, listen: Listen
) -> None:
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
