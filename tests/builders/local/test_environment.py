"""The environment of programs: a build sees no password."""

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.base import BuildStatus
from backends.builders.local.builder import LocalBuilder
from backends.builders.local.process import environment
from tests.builders.local.building import built, log_of
from tests.builders.local.conftest import Make, Open
from tests.factories import build_request


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        ("http://me:secret@proxy.example.org:3128", "http://proxy.example.org:3128"),
        ("http://secret@proxy.example.org:3128/", "http://proxy.example.org:3128/"),
        ("me:secret@proxy.example.org:3128", "proxy.example.org:3128"),
        ("http://me:se@cr/et@proxy.example.org", "http://proxy.example.org"),
        ("http://me:se://cret@proxy.example.org", "http://proxy.example.org"),
        ("socks5h://me:secret@[::1]:1080", "socks5h://[::1]:1080"),
        ("http://proxy.example.org:3128", "http://proxy.example.org:3128"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"])
def test_a_proxy_is_passed_on_without_credentials(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, passed_on: str
) -> None:
    monkeypatch.setenv(name, given)
    assert environment()[name] == passed_on


@pytest.mark.usefixtures("held")
async def test_a_build_sees_no_password(
    open_builder: Open, runs: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret@proxy.example.org:3128")
    monkeypatch.setenv("COMPONENTS_TLS_KEY", "secret")
    look = "env; cat /proc/[0-9]*/environ; /busybox ps; echo it has looked"
    builder = await open_builder()
    state = await built(builder, build_request(repository=runs(look)))
    log = await log_of(builder, state.id)
    assert "http_proxy=http://proxy.example.org:3128" in log
    assert "\nit has looked\n" in log
    assert "secret" not in log.replace(look, "")


async def test_git_can_use_a_proxy_with_a_password(
    builder: LocalBuilder, aiohttp_server: AiohttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    async def proxy(request: web.Request) -> web.Response:
        given.append(request.headers.get("Proxy-Authorization"))
        asking = {"Proxy-Authenticate": 'Basic realm="x"'}
        return web.Response(status=404 if given[-1] else 407, headers=asking)

    app = web.Application()
    app.router.add_get("/{path:.*}", proxy)
    port = (await aiohttp_server(app)).port
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{port}")
    url = "http://git.example.org/x"
    assert (await built(builder, build_request(repository=url))).status is BuildStatus.ERROR
    assert given[-1] == "Basic bWU6c2VjcmV0"
