"""Attacks by a configuration or a repository, which must fail."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.base import BuildRejected, BuildStatus
from backends.builders.local.builder import LocalBuilder
from tests.builders.local.building import built, log_of
from tests.builders.local.conftest import Make, Open, git
from tests.factories import TOOL, build_request

URL = "https://git.example.org/x"


@pytest.mark.parametrize(
    "repository",
    [
        "ext::sh -c touch% /tmp/attacked",
        "file:///etc",
        "/etc",
        "ssh://git.example.org/x",
        "git@git.example.org:x",
        "--upload-pack=touch /tmp/attacked",
        "https://user:password@git.example.org/x",
        "https://-oProxyCommand=x/x",
        "https://git.example.org/x\n--upload-pack=x",
        "fd::3",
        "",
    ],
)
async def test_a_repository_must_be_a_plain_url(builder: LocalBuilder, repository: str) -> None:
    with pytest.raises(BuildRejected, match=r"^repository: "):
        await builder.start(build_request(repository=repository))
    with pytest.raises(BuildRejected, match=r"^repository: "):
        await builder.resolve(TOOL, build_request(repository=repository).source)


@pytest.mark.parametrize(
    "ref",
    [
        "--upload-pack=touch /tmp/attacked",
        "-f",
        "main\n--upload-pack=x",
        "main:refs/heads/x",
        "+main",
        "refs/heads/*",
        "main branch",
        "../main",
        "main@{1}",
        "main~1",
        "",
    ],
)
async def test_a_ref_must_be_a_plain_name(builder: LocalBuilder, ref: str) -> None:
    with pytest.raises(BuildRejected, match=r"^ref: "):
        await builder.start(build_request(repository=URL, ref=ref))


@pytest.mark.parametrize("name", ["../../x", "-x", "X", "a/b", "a:b", ""])
async def test_names_are_dns_labels(builder: LocalBuilder, name: str) -> None:
    with pytest.raises(BuildRejected, match=r"^component: "):
        await builder.start(build_request(name, repository=URL))
    with pytest.raises(BuildRejected, match=r"^tool: "):
        await builder.start(replace(build_request(repository=URL), tool=name))


@pytest.mark.parametrize(
    "target", ["ext::sh -c touch% /tmp/attacked", "file:///etc/passwd", "ftp://127.0.0.1/x"]
)
async def test_a_redirect_to_another_protocol_is_not_followed(
    builder: LocalBuilder, aiohttp_server: AiohttpServer, target: str
) -> None:
    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": target})

    app = web.Application()
    app.router.add_get("/{path:.*}", redirect)
    url = str((await aiohttp_server(app)).make_url("/x"))
    state = await built(builder, build_request(repository=url))
    assert state.status is BuildStatus.ERROR
    assert state.commit is None


async def test_a_repository_that_requests_a_password_gets_none(
    builder: LocalBuilder, aiohttp_server: AiohttpServer
) -> None:
    async def ask(request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    app = web.Application()
    app.router.add_get("/{path:.*}", ask)
    url = str((await aiohttp_server(app)).make_url("/x"))
    state = await built(builder, build_request(repository=url))
    assert state.status is BuildStatus.ERROR
    assert "could not read Username" in state.message


async def test_the_fetch_of_a_too_large_repository_is_aborted(
    open_builder: Open, make: Make
) -> None:
    builder = await open_builder(max_bytes=3_000_000)
    noise = "".join(chr(33 + (n * 7919 + n // 90) % 90) for n in range(5_000_000))
    state = await built(builder, build_request(repository=make(noise=noise)))
    assert state.message.startswith("the repository has more than 3000000 bytes")


async def test_a_small_pack_with_large_contents_is_too_large(
    open_builder: Open, make: Make
) -> None:
    builder = await open_builder(max_bytes=3_000_000)
    state = await built(builder, build_request(repository=make(zeros="0" * 20_000_000)))
    assert state.message.startswith("the repository has more than 3000000 bytes")


@pytest.mark.parametrize("name", ["Containerfile", "Dockerfile", ".dockerignore"])
async def test_a_symbolic_link_instead_of_a_dockerfile_is_not_read(
    builder: LocalBuilder, make: Make, name: str
) -> None:
    files: dict[str, str | Path] = {name: Path("/etc/passwd")}
    state = await built(builder, build_request(repository=make(**files)))
    assert state.status is BuildStatus.ERROR
    assert state.message == f"{name} is not a regular file, so it is not read"
    assert "root:" not in await log_of(builder, state.id)


async def test_a_copied_symbolic_link_does_not_include_a_file_of_the_host(
    builder: LocalBuilder, make: Make, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret of the host")
    url = make(Containerfile="FROM scratch\nCOPY link /link\n", link=tmp_path / "secret")
    await built(builder, build_request(repository=url))
    found = [
        each
        for each in (tmp_path / "graph").rglob("*")
        if each.is_file() and not each.is_symlink() and b"secret of the host" in each.read_bytes()
    ]
    assert found == []


async def test_hooks_and_filters_of_a_repository_are_not_run(
    builder: LocalBuilder, make: Make, served: tuple[Path, str], tmp_path: Path
) -> None:
    url = make(**{".gitattributes": "* filter=evil\n"})
    git(served[0] / "web", "config", "filter.evil.smudge", f"touch {tmp_path}/attacked")
    hook = served[0] / "web/.git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/attacked\n")
    hook.chmod(0o755)
    assert (await built(builder, build_request(repository=url))).status is BuildStatus.FINISHED
    assert not (tmp_path / "attacked").exists()


async def test_submodules_are_not_fetched(
    builder: LocalBuilder, make: Make, served: tuple[Path, str]
) -> None:
    inner, outer = make("inner"), make("outer")
    where = served[0] / "outer"
    git(where, "-c", "protocol.git.allow=always", "submodule", "--quiet", "add", inner, "sub")
    git(where, "config", "--file", ".gitmodules", "submodule.sub.url", "file:///etc")
    git(where, "commit", "--quiet", "--all", "--message=sub")
    state = await built(builder, build_request(repository=outer))
    assert state.status is BuildStatus.FINISHED


async def test_a_build_sees_nothing_of_the_services_environment(
    builder: LocalBuilder, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COMPONENTS_TLS_KEY", "secret")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pack").write_text("#!/bin/sh\nenv\nexit 1\n")
    (programs / "pack").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    state = await built(builder, build_request(repository=make(Containerfile="")))
    log = await log_of(builder, state.id)
    assert "PATH=" in log
    assert "COMPONENTS" not in log


async def test_the_size_of_a_log_is_limited(
    builder: LocalBuilder, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pack").write_text("#!/bin/sh\nhead -c 20000000 /dev/zero | tr '\\0' x\nexit 1\n")
    (programs / "pack").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    state = await built(builder, build_request(repository=make(Containerfile="")))
    size = await asyncio.to_thread(
        lambda: (tmp_path / f"builds/logs/{state.id}.log").stat().st_size
    )
    assert size < 8 * 1024 * 1024 + 1000
    assert "the log is cut here" in await log_of(builder, state.id)
