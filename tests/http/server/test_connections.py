"""Limits of connections: however many a client opens, others are served."""

import asyncio
import gzip
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from components.http.app import create_app
from components.http.identity.callers import Needs, Permission
from components.http.identity.needs import NEEDS
from components.http.keys import ROUTE_NEEDS
from components.settings import Settings
from tests.http.conftest import CONFIG, DEPLOY, HEADER, SUBJECT, Listen
from tests.http.server.tls_files import Files
from tests.http.ticking import ticking

HALF = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-More: "
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Peer:
    """A connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, sent: bytes = WHOLE) -> tuple[bytes, bytes]:
        """Send a request; return the head of the response, and its body."""
        self.writer.write(sent)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            line.split(b":")[1] for line in head.splitlines() if b"Content-Length" in line
        )
        return head, await self.reader.readexactly(int(length))

    async def has_ended(self) -> bool:
        """Wait until the service closes it."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def peers(url: str, number: int = 1, sent: bytes = b"") -> AsyncIterator[list[Peer]]:
    """Open connections one after the other, and send the same bytes on each."""
    opened: list[Peer] = []
    try:
        for _ in range(number):
            peer = Peer(*await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2])))
            opened.append(peer)
            peer.writer.write(sent)
            await peer.writer.drain()
        yield opened
    finally:
        for each in opened:
            each.writer.close()
        for each in opened:
            await asyncio.gather(each.writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("sent", [b"", HALF])
async def test_a_connection_without_a_whole_request_is_closed_after_the_idle_timeout(
    listen: Listen, sent: bytes
) -> None:
    _, url = await listen(Settings(port=0, idle_timeout=0.2))
    async with peers(url, 1, sent) as (peer,):
        assert await peer.has_ended()


async def test_slow_headers_do_not_extend_the_idle_timeout(listen: Listen) -> None:
    _, url = await listen(Settings(port=0, idle_timeout=0.3))
    async with peers(url, 1, HALF) as (peer,):
        ended = asyncio.create_task(peer.has_ended())
        while not ended.done():
            peer.writer.write(b"x")
            await asyncio.wait((ended,), timeout=0.05)
        assert ended.result()


async def test_the_idle_timeout_applies_to_the_next_request(listen: Listen) -> None:
    _, url = await listen(Settings(port=0, idle_timeout=0.2))
    async with peers(url) as (peer,):
        assert b"200 OK" in (await peer.ask())[0]
        peer.writer.write(HALF)
        assert await peer.has_ended()


async def test_the_idle_timeout_does_not_apply_to_a_request_in_progress(listen: Listen) -> None:
    app = create_app(Settings())
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        begun.set()
        await go_on.wait()
        return web.Response(text="done")

    path = "/api/v1/tool/{toolname}/slow"
    app.router.add_get(path, slow)
    needs: Needs = {**NEEDS, ("GET", path): Permission.READ}
    app[ROUTE_NEEDS] = needs
    _, url = await listen(Settings(port=0, idle_timeout=0.1, max_connections=1), app)
    request_ = b"GET /api/v1/tool/mytool/slow HTTP/1.1\r\nHost: localhost\r\n"
    subject = f"{HEADER}: {SUBJECT[HEADER]}\r\n\r\n".encode()
    async with peers(url) as (peer,):
        answer = asyncio.create_task(peer.ask(request_ + subject))
        await begun.wait()
        # A request in progress is not closed to make room.
        async with peers(url, 1, WHOLE) as (other,):
            assert await other.has_ended()
        go_on.set()
        assert (await answer)[1] == b"done"


async def test_a_connection_whose_body_does_not_arrive_is_closed_to_make_room(
    listen: Listen,
) -> None:
    _, url = await listen(Settings(port=0, max_connections=1))
    request_ = (
        f"POST {CONFIG} HTTP/1.1\r\nHost: localhost\r\n{HEADER}: {SUBJECT[HEADER]}\r\n"
        "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n{"
    )
    async with peers(url, 1, request_.encode()) as (slow,):
        assert b" 100 " in await slow.reader.readuntil(b"\r\n\r\n")
        async with peers(url) as (other,):
            assert b"200 OK" in (await other.ask())[0]
        assert await slow.has_ended()


async def test_at_the_limit_an_idle_connection_is_closed_first(listen: Listen) -> None:
    _, url = await listen(Settings(port=0, max_connections=3))
    async with peers(url) as (request_,), peers(url, 1, HALF) as (first,), peers(url) as (second,):
        await request_.ask()
        async with peers(url) as (third,):
            assert b"200 OK" in (await third.ask())[0]
            assert await first.has_ended()
        assert b"200 OK" in (await request_.ask())[0]
        assert b"200 OK" in (await second.ask())[0]


async def test_a_flood_of_connections_does_not_block_other_clients(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    _, url = await listen(Settings(port=0, max_connections=20))
    async with peers(url, 100, HALF), peers(url, 100), peers(url, 1) as (other,):
        assert b"200 OK" in (await other.ask())[0]
    (line,) = [each for each in caplog.records if each.name.startswith("components.")]
    assert line.getMessage() == (
        "the limit of connections is reached, last by a connection from 127.0.0.1"
    )


async def test_connections_of_an_address_are_limited(files: Files, listen: Listen) -> None:
    settings = files.settings(max_connections_per_address=2)
    _, url = await listen(settings)
    async with aiohttp.ClientSession() as session:

        async def connected(peer: Peer) -> bool:
            await peer.writer.start_tls(files.client(), server_hostname="127.0.0.1")
            return b"200 OK" in (await peer.ask())[0]

        async with peers(url, 2) as (first, second):
            assert await connected(first)
            assert await connected(second)
            async with session.get(f"{url}/healthz", ssl=files.client()) as response:
                assert response.status == 200
            assert await first.has_ended()
            assert b"200 OK" in (await second.ask())[0]


async def test_connections_of_a_gateway_are_not_limited_by_address(
    files: Files, listen: Listen
) -> None:
    settings = files.settings(
        max_connections_per_address=1, gateway_subjects=("CN=gateway,OU=tests,O=platform",)
    )
    _, url = await listen(settings)
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(3):
            (peer,) = await stack.enter_async_context(peers(url))
            gateway = files.client("gateway", "platform")
            await peer.writer.start_tls(gateway, server_hostname="127.0.0.1")
            assert b"200 OK" in (await peer.ask())[0]
            connections.append(peer)
        for each in connections:
            assert b"200 OK" in (await each.ask())[0]


async def test_a_connection_without_a_handshake_is_closed_to_make_room(
    files: Files, listen: Listen
) -> None:
    _, url = await listen(files.settings(max_connections=5))
    async with peers(url, 20) as connections, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/healthz", ssl=files.client()) as response:
            assert response.status == 200
        assert await connections[0].has_ended()


TINY_CHUNKS = (
    f"POST {CONFIG} HTTP/1.1\r\nHost: localhost\r\n{HEADER}: {SUBJECT[HEADER]}\r\n"
    "Content-Type: application/json\r\nConnection: close\r\n"
    "Transfer-Encoding: chunked\r\n\r\n".encode()
    + b"1\r\n \r\n" * 200_000
    + b"0\r\n\r\n"
)


def connected(url: str, tls: ssl.SSLContext | None) -> socket.socket:
    """Connect; to be run in a thread."""
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    plain = socket.create_connection(address, timeout=20)
    return tls.wrap_socket(plain, server_hostname=address[0]) if tls else plain


def answer_on(connection: socket.socket) -> bytes:
    """Read to the end; to be run in a thread."""
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("tls", [False, True])
async def test_a_body_of_tiny_chunks_does_not_block_the_loop(
    files: Files, listen: Listen, tls: bool
) -> None:
    _, url = await listen(files.settings() if tls else Settings(port=0))
    longest = []
    for _ in range(3):  # other work on the machine disturbs the measurement
        connection = await asyncio.to_thread(connected, url, files.client() if tls else None)
        # Not in a thread, so that all of it has arrived before the service reads any.
        connection.sendall(TINY_CHUNKS)
        async with ticking() as gaps:
            answer = await asyncio.to_thread(answer_on, connection)
        assert answer.startswith(b"HTTP/1.1 400 ")
        longest.append(gaps.longest)
    assert min(longest) < 0.05


GARBLED = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    b"GARBAGE\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: \x1b[31m\xe2\x80\xae\r\nTransfer-Encoding: x\r\n\r\n",
]


@pytest.mark.parametrize("sent", GARBLED, ids=lambda sent: repr(sent[:20]))
async def test_invalid_http_gets_an_error_in_the_envelope_and_one_log_line(
    listen: Listen, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiohttp")
    caplog.set_level(logging.INFO, "components")
    _, url = await listen(Settings(port=0))
    async with peers(url) as (peer,):
        head, body = await peer.ask(sent)
        assert b" 400 " in head
        assert b"Server: components-api\r\n" in head
        assert b"aiohttp" not in head
        assert b'"error": ["this is not HTTP: ' in body
        assert await peer.has_ended()
    (line,) = [each for each in caplog.records if each.name != "asyncio"]
    assert line.getMessage().startswith("the input from 127.0.0.1 is not HTTP: ")
    assert line.getMessage().isprintable()
    assert not line.exc_info


async def test_an_invalid_chunk_after_the_response_logs_no_traceback(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    _, url = await listen(Settings(port=0))
    request_ = f"POST {CONFIG} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with peers(url) as (peer,):
        assert b" 401 " in (await peer.ask(request_.encode()))[0]
        peer.writer.write(b"not a chunk\r\n")
        assert await peer.has_ended()
    assert not [each for each in caplog.records if each.exc_info]


async def test_a_url_that_fails_after_parsing_is_one_log_line_and_closes_the_connection(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    _, url = await listen(Settings(port=0))
    async with peers(url, 1, b"GET http://xn--a/ HTTP/1.1\r\nHost: localhost\r\n\r\n") as (peer,):
        assert await peer.has_ended()
    (line,) = [each for each in caplog.records if each.name != "asyncio"]
    assert line.getMessage().startswith(
        "the input from 127.0.0.1 is not HTTP: its URL cannot be read"
    )


async def test_a_disconnect_in_the_middle_of_a_body_logs_no_traceback(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    app, ended = create_app(Settings()), asyncio.Event()

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            ended.set()

    app.middlewares.insert(0, note)
    _, url = await listen(Settings(port=0), app)
    request_ = f"POST {DEPLOY} HTTP/1.1\r\nHost: localhost\r\n{HEADER}: {SUBJECT[HEADER]}\r\n"
    expecting = "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"
    async with peers(url, 1, (request_ + expecting).encode()) as (peer,):
        # This response means that the handler is about to read the body.
        assert b"100" in await peer.reader.readline()
        peer.writer.transport.abort()
        await ended.wait()
    assert not [each for each in caplog.records if each.exc_info]
    assert "internal error" not in caplog.text


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "", "x"])
async def test_an_encoded_body_is_rejected_and_the_connection_closed(
    listen: Listen, encoding: str
) -> None:
    _, url = await listen(Settings(port=0))
    request_ = (
        f"POST {CONFIG} HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: {encoding}\r\n"
        "Content-Length: 1000000\r\n\r\n"
    )
    async with peers(url) as (peer,):
        head, body = await peer.ask(request_.encode())
        assert b" 415 " in head
        assert b"Connection: close" in head
        assert b"Content-Encoding: send the body uncompressed" in body
        assert await peer.has_ended()


async def test_compressed_bodies_are_not_decompressed(listen: Listen) -> None:
    _, url = await listen(Settings(port=0))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    bomb = gzip.compress(b" " * 2**26)

    async def send(session: aiohttp.ClientSession) -> int:
        async with session.post(f"{url}{CONFIG}", data=bomb, headers=headers) as response:
            return response.status

    async with aiohttp.ClientSession() as session:
        began = time.process_time()
        statuses = await asyncio.gather(*(send(session) for _ in range(32)))
    assert set(statuses) == {415}
    # To decompress them takes seconds.
    assert time.process_time() - began < 1


async def test_an_unread_body_closes_the_connection(listen: Listen) -> None:
    _, url = await listen(Settings(port=0))
    request_ = f"POST {CONFIG} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    async with peers(url) as (peer,):
        head, _ = await peer.ask(request_.encode() + b"x" * 1000)
        assert b" 401 " in head
        assert b"Connection: close" in head
        assert await peer.has_ended()
