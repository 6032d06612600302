"""A hostile server of a repository costs little, whatever it sends."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.base import BuilderUnavailable, BuildRejected, Source
from backends.git.question import MAX_BYTES, MAX_REDIRECTS
from backends.git.resolver import MAX_QUESTIONS_OF_TOOL, CommitResolver
from tests.factories import TOOL
from tests.git.conftest import Resolve
from tests.git.serving import GitServer

ADVERTISEMENT, RESULT = (
    f"application/x-git-upload-pack-{kind}" for kind in ("advertisement", "result")
)
VERSION_2 = b"001e# service=git-upload-pack\n0000000eversion 2\n000cls-refs\n0000"
COMMIT = b"0123456789abcdef0123456789abcdef01234567"


def answering(
    advertisement: bytes, result: bytes = b"", encoding: str = "identity"
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A server that sends these bytes, whatever it is asked."""

    async def respond(request: web.Request) -> web.StreamResponse:
        is_first = request.method == "GET"
        body, kind = (advertisement, ADVERTISEMENT) if is_first else (result, RESULT)
        headers = {"Content-Type": kind, "Content-Encoding": encoding}
        return web.Response(body=body, headers=headers)

    return respond


def packet(content: bytes) -> bytes:
    return b"%04x%b" % (len(content) + 4, content)


NONSENSE = {
    "nothing": (b"", b""),
    "no packets": (b"<html>", b""),
    "a negative length": (b"-001", b""),
    "a length that is too short": (b"0003", b""),
    "a delimiter": (b"0001", b""),
    "an end that is missing": (VERSION_2[:-4], b""),
    "half a packet": (VERSION_2[:-7], b""),
    "a server that lists nothing": (b"000eversion 2\n0000", b""),
    "an unknown version": (b"000eversion 9\n0000", b""),
    "one word": (VERSION_2, packet(b"word") + b"0000"),
    "no refs": (VERSION_2, b""),
    "an error": (VERSION_2, packet(b"ERR go away \x1b[31m\n") + b"0000"),
    "a version 0 that is not text": (packet(b"\xff\xfe") + b"0000", b""),
}


@pytest.mark.parametrize(("first", "second"), NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_unavailable_and_says_why(
    repositories: GitServer, resolve: Resolve, first: bytes, second: bytes
) -> None:
    repositories.before = answering(first, second)
    with pytest.raises(BuilderUnavailable, match="the repository cannot be read: "):
        await resolve("main")


async def test_an_id_that_is_not_one_is_no_commit(
    repositories: GitServer, resolve: Resolve
) -> None:
    lines = (
        b"$(reboot) refs/heads/main\n",
        COMMIT + b" refs/tags/main peeled:--upload-pack=x\n",
        COMMIT.upper() + b" refs/main\n",
    )
    repositories.before = answering(VERSION_2, b"".join(map(packet, lines)) + b"0000")
    with pytest.raises(BuildRejected, match="the repository has no 'main'"):
        await resolve("main")


@pytest.mark.parametrize("endless", ["GET", "POST"])
async def test_an_answer_without_end_is_read_up_to_a_bound(
    repositories: GitServer, resolve: Resolve, endless: str
) -> None:
    sent: list[int] = []

    async def respond(request: web.Request) -> web.StreamResponse:
        kind = ADVERTISEMENT if request.method == "GET" else RESULT
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        if request.method != endless:
            await response.write(VERSION_2)
            return response
        sent.append(0)
        while True:
            await response.write(packet(COMMIT + b" refs/heads/" + b"x" * 900) * 60)
            sent[-1] += 1

    repositories.before = respond
    with pytest.raises(BuilderUnavailable, match="the repository has too many refs"):
        await resolve("main")
    assert len(sent) == 2
    # Of what was sent, up to some MB are in the buffers of the sockets.
    assert max(sent) * 60 * 950 < MAX_BYTES + 16 * 1024 * 1024


async def test_a_compressed_answer_is_not_decompressed(
    repositories: GitServer, resolve: Resolve
) -> None:
    bomb = gzip.compress(packet(COMMIT + b" HEAD\0\n") + packet(b"x" * 60000) * 1000 + b"0000")
    repositories.before = answering(bomb, encoding="gzip")
    with pytest.raises(BuilderUnavailable, match="something else than git's packets"):
        await resolve("main")


async def test_more_refs_than_wanted_do_no_harm(repositories: GitServer, resolve: Resolve) -> None:
    lines = b"".join(packet(COMMIT + b" refs/pull/%d/head\n" % number) for number in range(5000))
    wanted = packet(COMMIT + b" refs/heads/main what:ever " + b"x " * 9000 + b"\n")
    repositories.before = answering(VERSION_2, lines + wanted + b"0000")
    assert await resolve("main") == COMMIT.decode()


async def test_redirects_are_followed_up_to_a_number(
    repositories: GitServer, resolve: Resolve
) -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        there = f"/{len(repositories.requests)}/info/refs"
        return web.Response(status=302, headers={"Location": there})

    repositories.before = redirect
    with pytest.raises(BuilderUnavailable, match="it redirects more than 3 times"):
        await resolve("main")
    assert len(repositories.requests) == MAX_REDIRECTS


@pytest.mark.parametrize("there", ["file:///etc/passwd", "git://127.0.0.1/x", "/login"])
async def test_a_redirect_to_something_else_is_not_followed(
    repositories: GitServer, resolve: Resolve, there: str
) -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        if request.path == "/login":
            return web.Response(body=VERSION_2, headers={"Content-Type": ADVERTISEMENT})
        return web.Response(status=302, headers={"Location": there})

    repositories.before = redirect
    with pytest.raises(BuilderUnavailable):
        await resolve("main")
    assert "/git-upload-pack" not in " ".join(repositories.requests)


async def test_the_question_itself_is_not_redirected(
    repositories: GitServer, resolve: Resolve
) -> None:
    async def redirect(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return web.Response(status=307, headers={"Location": "/elsewhere"})
        return web.Response(body=VERSION_2, headers={"Content-Type": ADVERTISEMENT})

    repositories.before = redirect
    with pytest.raises(BuilderUnavailable, match="the server responds with 307"):
        await resolve("main")
    assert "/elsewhere" not in repositories.requests


@pytest.fixture
async def strict() -> AsyncIterator[CommitResolver]:
    """A resolver as it is by default: it asks public servers only."""
    resolver = CommitResolver()
    await resolver.open()
    yield resolver
    await resolver.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_a_server_of_this_machine_is_not_asked(
    repositories: GitServer, server: TestServer, strict: CommitResolver, host: str
) -> None:
    repositories.make()
    url = f"http://{host}:{server.port}/web.git"
    with pytest.raises(BuildRejected, match=r"^repository: its address is not a public one"):
        await strict.resolve(TOOL, Source(url, "main"))
    assert repositories.requests == []


@pytest.fixture
async def silence() -> AsyncIterator[tuple[str, asyncio.Semaphore]]:
    """The URL of a server that never responds, and a semaphore with the number of connections."""
    connected = asyncio.Semaphore(0)

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.release()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connected
    server.close()
    await server.wait_closed()


async def test_a_server_that_does_not_respond_is_given_up(
    silence: tuple[str, asyncio.Semaphore],
) -> None:
    resolver = CommitResolver(private=True, seconds=0.1)
    await resolver.open()
    try:
        with pytest.raises(BuilderUnavailable, match="no response in time"):
            await resolver.resolve(TOOL, Source(f"{silence[0]}/web", "main"))
    finally:
        await resolver.close()


async def test_servers_that_do_not_respond_hold_up_only_their_own_tool(
    silence: tuple[str, asyncio.Semaphore],
    resolver: CommitResolver,
    repositories: GitServer,
    server: TestServer,
) -> None:
    repositories.make()
    url, connected = silence
    hanging = [
        asyncio.create_task(resolver.resolve(TOOL, Source(f"{url}/{number}", "main")))
        for number in range(50)
    ]
    for _ in range(MAX_QUESTIONS_OF_TOOL):
        await connected.acquire()
    good = Source(str(server.make_url("/web.git")), "main")
    assert await resolver.resolve("other", good)
    assert connected.locked(), "no more of them are asked"
    for task in hanging:
        task.cancel()
    await asyncio.wait(hanging)
    assert await resolver.resolve(TOOL, good), "who stops waiting makes room"


async def test_a_connection_that_is_refused_says_so(
    aiohttp_server: AiohttpServer, resolver: CommitResolver
) -> None:
    server = await aiohttp_server(web.Application())
    url = str(server.make_url("/web"))
    await server.close()
    with pytest.raises(BuilderUnavailable, match="the repository does not respond: Connect"):
        await resolver.resolve(TOOL, Source(url, "main"))
