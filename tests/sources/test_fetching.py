"""Fetching from hosts that strangers run: real servers on loopback, which may do anything."""

import asyncio
import gzip
import socket
import ssl
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from socket import AddressFamily
from typing import Any, TypeAlias

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from backends.addresses import check_address, connector
from backends.sources.base import NoFetcher, SourceRejected, SourceUnavailable
from backends.sources.http import MAX_BYTES, MAX_OF_TOOL, Connect, HttpFetcher
from tests.http.ticking import ticking
from tests.sources.test_addresses import Answers

TOOL = "mytool"
COMMIT = "2b66fd261ee5c6cfc8de7fa466bab600bcfe4f69"
HUGE = "a" * 100_000
AUTHORITY = trustme.CA()

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Host: TypeAlias = Callable[..., Awaitable[str]]
Raw: TypeAlias = Callable[[bytes, bytes], Awaitable[str]]


class Hanging(AbstractResolver):
    """A name server that does not respond."""

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None: ...


@asynccontextmanager
async def opened(connect: Connect, **options: Any) -> AsyncIterator[HttpFetcher]:
    fetcher = HttpFetcher(connect, **options)
    await fetcher.open()
    try:
        yield fetcher
    finally:
        await fetcher.close()


def with_names(resolver: AbstractResolver) -> Connect:
    return lambda **options: connector(**options | {"resolver": resolver})


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@pytest.fixture
async def fetcher() -> AsyncIterator[HttpFetcher]:
    async with opened(partial(connector, private=True)) as found:
        yield found


@pytest.fixture
async def hasty() -> AsyncIterator[HttpFetcher]:
    """One that waits for only a moment."""
    async with opened(partial(connector, private=True), seconds=0.2) as found:
        yield found


@pytest.fixture
def host(aiohttp_server: Any) -> Host:
    """Start a server whose every path is for one handler; return its URL, without a last slash."""

    async def start(handler: Handler, **options: Any) -> str:
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        server: TestServer = await aiohttp_server(app, **options)
        return str(server.make_url("")).rstrip("/")

    return start


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    """Start a server that sends a beginning, and then a part over and over; return its URL."""
    servers, tasks = [], set()

    async def start(beginning: bytes, part: bytes) -> str:
        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            writer.write(beginning)
            try:
                while part:
                    writer.write(part)
                    await writer.drain()
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(respond, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/config"

    yield start
    for server in servers:
        server.close()
    await asyncio.gather(*filter(None, tasks))


def text(content: str = "components: {}", **headers: str) -> Handler:
    async def respond(request: web.Request) -> web.Response:
        return web.Response(text=content, headers=headers)

    return respond


def redirect(location: str, status: int = 302) -> Handler:
    async def respond(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": location})

    return respond


async def test_what_the_url_gives_is_returned_as_it_is(fetcher: HttpFetcher, host: Host) -> None:
    url = await host(text("components:\n  wëb: 1\n"))
    assert (await fetcher.fetch(TOOL, url)).content == "components:\n  wëb: 1\n".encode()


async def test_the_version_is_what_the_host_says(fetcher: HttpFetcher, host: Host) -> None:
    url = await host(text(ETag='W/"abc"', **{"X-Gitlab-Commit-Id": COMMIT}))
    found = await fetcher.fetch(TOOL, url)
    assert (found.etag, found.commit) == ('W/"abc"', COMMIT)


async def test_the_version_is_the_commit_in_the_url(fetcher: HttpFetcher, host: Host) -> None:
    url = await host(text())
    assert (await fetcher.fetch(TOOL, f"{url}/raw/{COMMIT}/tool.yaml")).commit == COMMIT


@pytest.mark.parametrize("etag", [HUGE[:5000], '"a\x7fb"', '"é"', ""])
async def test_a_version_that_is_none_is_none(fetcher: HttpFetcher, raw: Raw, etag: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Gitlab-Commit-Id: main\r\nETag: {etag}\r\n"
    found = await fetcher.fetch(TOOL, await raw(f"{head}\r\n".encode(), b""))
    assert (found.etag, found.commit) == (None, None)


async def test_nothing_of_this_service_is_sent(fetcher: HttpFetcher, host: Host) -> None:
    seen: list[dict[str, str]] = []

    async def respond(request: web.Request) -> web.Response:
        seen.append({name.lower(): value for name, value in request.headers.items()})
        if request.path == "/first":
            return web.Response(
                status=302, headers={"Location": "/second", "Set-Cookie": "session=1"}
            )
        return web.Response(text="{}")

    await fetcher.fetch(TOOL, f"{await host(respond)}/first")
    assert [set(each) for each in seen] == 2 * [
        {"host", "accept", "accept-encoding", "connection", "user-agent"}
    ]
    assert seen[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_three_redirects_are_followed(fetcher: HttpFetcher, host: Host, status: int) -> None:
    async def respond(request: web.Request) -> web.Response:
        left = int(request.path[1:])
        if not left:
            return web.Response(text="here")
        return web.Response(status=status, headers={"Location": str(left - 1)})

    url = await host(respond)
    assert (await fetcher.fetch(TOOL, f"{url}/3")).content == b"here"
    with pytest.raises(SourceRejected, match="redirects more than 3 times"):
        await fetcher.fetch(TOOL, f"{url}/4")


async def test_a_redirect_loop_ends(fetcher: HttpFetcher, host: Host) -> None:
    with pytest.raises(SourceRejected, match="redirects more than 3 times"):
        await fetcher.fetch(TOOL, await host(redirect("/again")))


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://git.example.org/config",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "javascript:1",
        "http://user:password@git.example.org/",
        "//user@git.example.org/",
        "http://[::1/",
        "http://git.example.org:99999/",
    ],
)
async def test_a_redirect_to_anything_else_is_refused(
    fetcher: HttpFetcher, host: Host, location: str
) -> None:
    with pytest.raises(SourceRejected, match="redirects to what is not an http or https URL") as e:
        await fetcher.fetch(TOOL, await host(redirect(location)))
    assert "password" not in str(e.value)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://git.example.org/",
        "//git.example.org/config",
        "config.yaml",
        "",
        "http:",
        "https://user:password@git.example.org/",
        "https://user@git.example.org/",
        "https://:password@git.example.org/",
        "http://[::1/",
    ],
)
async def test_another_url_is_refused_and_not_repeated(fetcher: HttpFetcher, url: str) -> None:
    with pytest.raises(SourceRejected, match="must be an http or https URL") as caught:
        await fetcher.fetch(TOOL, url)
    assert "password" not in str(caught.value)


async def test_https_is_not_left_for_http(host: Host) -> None:
    serving, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), _trusting()
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(serving)
    url = await host(redirect("http://127.0.0.1:1/"), ssl=serving)
    async with opened(partial(connector, private=True, ssl=trusting)) as fetcher:
        with pytest.raises(SourceRejected, match="redirects from https to http"):
            await fetcher.fetch(TOOL, url)


async def test_a_certificate_of_an_unknown_authority_is_refused(
    fetcher: HttpFetcher, host: Host
) -> None:
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(serving)
    with pytest.raises(SourceRejected, match="has no valid certificate: unable to get local"):
        await fetcher.fetch(TOOL, await host(text(), ssl=serving))


@pytest.mark.parametrize(
    "target",
    ["127.0.0.2:{port}/", "localhost:{port}/", "[::ffff:127.0.0.2]:{port}/", "169.254.169.254/"],
)
async def test_each_redirect_is_checked_for_its_address(host: Host, target: str) -> None:
    # The first hop stands for a public host: of all addresses, only 127.0.0.1 is let through.
    hits: list[str] = []

    async def respond(request: web.Request) -> web.Response:
        hits.append(request.host)
        location = f"http://{target.format(port=request.url.port)}"
        return web.Response(status=302, headers={"Location": location})

    def public(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, (address, *_) = info
        if address != "127.0.0.1" or len(hits) > 0:
            check_address(str(address))
        return socket.socket(family, kind, protocol)

    url = await host(respond, host="0.0.0.0")
    async with opened(partial(aiohttp.TCPConnector, socket_factory=public)) as fetcher:
        with pytest.raises(
            SourceRejected, match=r"redirected to .*its address is not a public one"
        ):
            await fetcher.fetch(TOOL, url.replace("0.0.0.0", "127.0.0.1"))
    assert len(hits) == 1


async def test_a_private_address_is_refused(host: Host) -> None:
    url = await host(text())
    async with opened(connector) as fetcher:
        with pytest.raises(SourceRejected, match="is not fetched: its address is not a public one"):
            await fetcher.fetch(TOOL, url)


async def test_a_name_with_a_private_address_is_refused(host: Host) -> None:
    url = (await host(text())).replace("127.0.0.1", "git.example.org")
    async with opened(with_names(Answers(("127.0.0.1",)))) as fetcher:
        with pytest.raises(SourceRejected, match="is not fetched: its address is not a public one"):
            await fetcher.fetch(TOOL, url)


async def test_a_name_that_does_not_exist_is_temporary(fetcher: HttpFetcher) -> None:
    with pytest.raises(SourceUnavailable, match="cannot be resolved"):
        await fetcher.fetch(TOOL, "http://git.invalid/")


async def test_a_host_that_does_not_listen_is_temporary(fetcher: HttpFetcher, raw: Raw) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(SourceUnavailable, match="cannot be connected to"):
            await fetcher.fetch(TOOL, f"http://127.0.0.1:{bound.getsockname()[1]}/")


async def test_a_name_server_that_does_not_respond_is_not_waited_for_long() -> None:
    async with opened(with_names(Hanging()), seconds=0.1) as fetcher:
        with pytest.raises(SourceUnavailable, match=r"took longer than 0\.1 s"):
            await fetcher.fetch(TOOL, "http://git.example.org/")


async def test_names_are_resolved_by_the_system(fetcher: HttpFetcher, host: Host) -> None:
    url = (await host(text("{}"))).replace("127.0.0.1", "localhost")
    assert (await fetcher.fetch(TOOL, url)).content == b"{}"


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (404, SourceRejected, "responds with 404 Not Found"),
        (401, SourceRejected, "responds with 401 Unauthorized"),
        (204, SourceRejected, "responds with 204 No Content"),
        (206, SourceRejected, "responds with 206 Partial Content"),
        (429, SourceUnavailable, "responds with 429 Too Many Requests"),
        (503, SourceUnavailable, "responds with 503 Service Unavailable"),
        (799, SourceUnavailable, "responds with 799"),
    ],
)
async def test_a_status_is_final_or_temporary(
    fetcher: HttpFetcher, host: Host, status: int, error: type[Exception], message: str
) -> None:
    async def respond(request: web.Request) -> web.Response:
        return web.Response(status=status, reason="try the other host")

    with pytest.raises(error) as caught:
        await fetcher.fetch(TOOL, f"{await host(respond)}/config?token=secret#top")
    assert str(caught.value).endswith(message)
    assert "secret" not in str(caught.value)


async def test_a_web_page_is_named_as_such(fetcher: HttpFetcher, host: Host) -> None:
    async def respond(request: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    with pytest.raises(SourceRejected, match="is a web page: use the URL of the raw file"):
        await fetcher.fetch(TOOL, await host(respond))


async def test_the_maximum_size_is_still_read(fetcher: HttpFetcher, host: Host) -> None:
    url = await host(text("a" * MAX_BYTES))
    assert len((await fetcher.fetch(TOOL, url)).content) == MAX_BYTES


@pytest.mark.parametrize("length", ["", "Content-Length: 99999999999\r\n"])
async def test_an_endless_body_is_read_up_to_the_maximum(
    fetcher: HttpFetcher, raw: Raw, length: str
) -> None:
    url = await raw(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode(), b"a" * 10_000)
    tracemalloc.start()
    with pytest.raises(SourceRejected, match=f"is larger than {MAX_BYTES} bytes"):
        await fetcher.fetch(TOOL, url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MAX_BYTES


async def test_a_body_that_comes_slowly_is_not_waited_for(hasty: HttpFetcher, host: Host) -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"a")
                await asyncio.sleep(0.01)
        return response

    with pytest.raises(SourceUnavailable, match=r"took longer than 0\.2 s"):
        await hasty.fetch(TOOL, await host(respond))


async def test_a_host_that_never_responds_is_not_waited_for(hasty: HttpFetcher, raw: Raw) -> None:
    with pytest.raises(SourceUnavailable, match=r"took longer than 0\.2 s"):
        await hasty.fetch(TOOL, await raw(b"", b"HTTP/1.1 100 Continue\r\n\r\n"))


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "identity, gzip"])
async def test_nothing_is_decompressed(fetcher: HttpFetcher, host: Host, encoding: str) -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    async def respond(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": encoding})

    with pytest.raises(SourceRejected, match="sends a compressed response"):
        await fetcher.fetch(TOOL, await host(respond))


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + HUGE.encode() + b"\r\n\r\n",
        b"HTTP/1.1 200 " + HUGE.encode() + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"",
    ],
    ids=["not HTTP", "long header", "long reason", "short body", "bad chunk", "bad length", "none"],
)
async def test_a_response_that_is_broken_is_not_repeated(
    fetcher: HttpFetcher, raw: Raw, answer: bytes
) -> None:
    with pytest.raises(SourceUnavailable, match=r"/config sends no complete HTTP response$"):
        await fetcher.fetch(TOOL, await raw(answer, b""))


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("beginning", "part"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"".join(b"X-%d: a\r\n" % n for n in range(1000))),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", HUGE.encode()),
        (b"HTTP/1.1 200 ", HUGE.encode()),
        (CHUNKED + b"1;", HUGE.encode()),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"".join(b"X-%d: a\r\n" % n for n in range(1000))),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 1000),
    ],
    ids=["headers", "header", "reason", "chunk extension", "trailers", "early hints"],
)
async def test_other_parts_of_a_response_without_end_use_no_endless_memory(
    hasty: HttpFetcher, raw: Raw, beginning: bytes, part: bytes
) -> None:
    url = await raw(beginning, part)
    tracemalloc.start()
    with pytest.raises(SourceUnavailable):
        await hasty.fetch(TOOL, url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MAX_BYTES


@pytest.mark.parametrize(
    ("beginning", "part"),
    [
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000),
        (CHUNKED, b"1\r\na\r\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\n", b"a:b\r\n" * 10_000),
    ],
    ids=["early hints", "chunks", "headers"],
)
async def test_what_comes_fast_does_not_block_the_event_loop(
    hasty: HttpFetcher, raw: Raw, beginning: bytes, part: bytes
) -> None:
    url = await raw(beginning, part)
    async with ticking() as gaps:
        with pytest.raises((SourceRejected, SourceUnavailable)):
            await hasty.fetch(TOOL, url)
    assert gaps.longest < 0.05


async def test_a_tool_has_few_fetches_at_a_time_and_others_do_not_wait_for_them(
    fetcher: HttpFetcher, host: Host
) -> None:
    started: list[str] = []
    enough, go_on = asyncio.Event(), asyncio.Event()

    async def respond(request: web.Request) -> web.Response:
        started.append(request.path)
        if len(started) == MAX_OF_TOOL:
            enough.set()
        if request.path == "/slow":
            await go_on.wait()
        return web.Response(text="{}")

    url = await host(respond)
    slow = [asyncio.create_task(fetcher.fetch(TOOL, f"{url}/slow")) for _ in range(10)]
    await enough.wait()
    await fetcher.fetch("other", f"{url}/other")
    assert started == [*MAX_OF_TOOL * ["/slow"], "/other"]
    go_on.set()
    await asyncio.gather(*slow)
    assert started.count("/slow") == len(slow)


async def test_names_are_resolved_beside_the_event_loops_own_threads(
    fetcher: HttpFetcher, host: Host
) -> None:
    loop, free = asyncio.get_running_loop(), threading.Event()
    busy = [loop.run_in_executor(None, free.wait) for _ in range(40)]
    url = (await host(text("{}"))).replace("127.0.0.1", "localhost")
    try:
        assert (await fetcher.fetch(TOOL, url)).content == b"{}"
    finally:
        free.set()
    await asyncio.gather(*busy)


async def test_without_a_fetcher_nothing_is_fetched() -> None:
    fetcher = NoFetcher()
    await fetcher.open()
    with pytest.raises(SourceRejected, match="fetches nothing"):
        await fetcher.fetch(TOOL, "https://git.example.org/")
    await fetcher.close()
