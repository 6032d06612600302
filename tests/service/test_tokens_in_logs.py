"""No log has a token, wherever it was sent."""

import asyncio
from uuid import uuid4

import aiohttp
import pytest

from components.engine.tokens.text import new_text
from tests.factories import configuration
from tests.service.test_process import SUBJECT, service

NAMED = {"x-toolforge-tool": "mytool"}
TOOL = "/api/v1/tool/mytool"


async def send_raw(url: str, *requests: str) -> None:
    for request in requests:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(request.encode())
        writer.write_eof()
        await reader.read()
        writer.close()


async def spread(url: str) -> list[str]:
    """Send tokens in every part of a request, also where none belongs; return them."""
    foreign, unknown = str(uuid4()), new_text()
    deployment = "/v1/tool/mytool/deployment"
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, path: str, token: str, **options: object) -> None:
            headers = {"Authorization": f"Bearer {token}"} if token else SUBJECT
            async with session.request(method, f"{url}{path}", headers=headers, **options) as got:  # type: ignore[arg-type]
                await got.read()

        body = {"name": "ci", "scopes": ["read", "deploy"]}
        async with session.post(f"{url}{TOOL}/tokens", json=body, headers=SUBJECT) as response:
            made = (await response.json())["data"]["token"]
        async with session.post(f"{url}{deployment}/token", headers=NAMED) as response:
            shown = (await response.json())["data"]["token"]
        async with session.post(f"{url}{deployment}?token={shown}") as response:
            assert response.status == 404  # there is no configuration
        await ask("POST", f"{TOOL}/config", "", json=configuration())
        for token in (made, unknown, made[:-1], f"{made}x", foreign):
            await ask("POST", f"{TOOL}/deploy", token, json={"description": "by CI"})
            await ask("GET", f"{TOOL}/deploy/latest", token)
            await ask("DELETE", f"{TOOL}/config", token)
            await ask("GET", "/nowhere", token)
        for token in (made, unknown, foreign, shown):
            for path in (
                deployment,
                f"{deployment}/token",
                f"{TOOL}/deploy",
                "/nowhere",
                "/healthz",
            ):
                await ask("GET", f"{path}?token={token}", "")
                await ask("POST", f"{path}?%74oken={token}", "", data="{")
        await ask("DELETE", f"{TOOL}/tokens/ci", "")
    for token in (made, unknown, foreign, shown):
        await send_raw(
            url,
            f"GET /?token={token} HTTP/9.9\r\n\r\n",
            f"GET http://xn--a/?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            f"GET http://[/?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\0\r\n\r\n",
            f"GET / HTTP/1.1\r\nAuthorization: Bearer {token}\r\nBad Header\r\n\r\n",
            f"GET / HTTP/1.1\r\nBearer {token}\r\n\r\n",
            f"Bearer {token}\r\n\r\n",
            f"{token}\r\n\r\n",
        )
    return [made, unknown, foreign, shown]


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_no_token_is_logged_at_any_level(log_format: str) -> None:
    env = {
        "COMPONENTS_TOOLFORGE_API": "true",
        "COMPONENTS_LOG_FORMAT": log_format,
        "COMPONENTS_LOG_LEVEL": "DEBUG",
    }
    async with service(PYTHONASYNCIODEBUG="1", **env) as (process, url):
        assert process.stderr is not None
        reading = asyncio.create_task(process.stderr.read())
        tokens = await spread(url)
        process.terminate()
        log = (await reading).decode()
    assert f"GET {TOOL}/deploy " in log  # the access log has the path
    assert "is not HTTP" in log
    for token in tokens:
        assert token[4:16] not in log
    assert "token=" not in log
