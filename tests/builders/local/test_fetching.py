"""The resources that a fetch uses are limited, whatever the server or repository sends."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.base import BuilderUnavailable, BuildStatus
from backends.builders.local.builder import LocalBuilder
from tests.builders.local.building import built
from tests.builders.local.conftest import Make, git
from tests.builders.local.hostile import endless_refs, mktree, nest
from tests.factories import TOOL, build_request

TOO_MUCH = "git would need more than 512 MiB of memory"


@pytest.mark.parametrize("version", [0, 2])
async def test_an_endless_ref_advertisement_uses_bounded_memory(
    builder: LocalBuilder, version: int
) -> None:
    async with endless_refs(version) as url:
        state = await built(builder, build_request(repository=url))
    assert state.status is BuildStatus.ERROR
    assert state.message == f"the repository cannot be fetched: {TOO_MUCH}"


async def test_an_endless_http_response_uses_bounded_memory(
    builder: LocalBuilder, aiohttp_server: AiohttpServer
) -> None:
    async def advertise(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "application/x-git-upload-pack-advertisement"
        await response.prepare(request)
        while True:
            await response.write(b"0" * 1024 * 1024)

    app = web.Application()
    app.router.add_get("/{path:.*}", advertise)
    url = str((await aiohttp_server(app)).make_url("/x"))
    state = await built(builder, build_request(repository=url))
    assert state.message == f"the repository cannot be fetched: {TOO_MUCH}"


async def test_resolving_a_commit_uses_bounded_memory(builder: LocalBuilder) -> None:
    async with endless_refs(2) as url:
        with pytest.raises(BuilderUnavailable, match=TOO_MUCH):
            await builder.resolve(TOOL, build_request(repository=url).source)


async def test_the_output_of_resolving_a_commit_is_limited(
    builder: LocalBuilder, make: Make, served: tuple[Path, str]
) -> None:
    url, where = make(), served[0] / "web"
    commit = git(where, "rev-parse", "HEAD")
    packed = "".join(f"{commit} refs/heads/{n:0200}/x\n" for n in range(5000))
    (where / ".git/packed-refs").write_text(f"# pack-refs with: sorted\n{packed}")
    with pytest.raises(BuilderUnavailable, match="git printed more than 1 MiB and was"):
        await builder.resolve(TOOL, build_request(repository=url, ref="x").source)


async def test_a_small_repository_with_billions_of_files_is_not_checked_out(
    builder: LocalBuilder, make: Make, served: tuple[Path, str]
) -> None:
    url = make()
    await asyncio.to_thread(nest, served[0] / "web", levels=6, width=64)
    state = await built(builder, build_request(repository=url))
    assert state.status is BuildStatus.ERROR
    assert state.message == (
        "the repository has more than 1073741824 bytes, "
        "where each file or directory counts at least 4096"
    )


async def test_an_endless_path_is_not_held_in_memory(
    builder: LocalBuilder, make: Make, served: tuple[Path, str]
) -> None:
    url, where = make(), served[0] / "web"
    blob = git(where, "rev-parse", "HEAD:hello")
    tree = await asyncio.to_thread(mktree, where, f"100644 blob {blob}\t{'x' * 100_000}\n")
    git(where, "update-ref", "refs/heads/main", git(where, "commit-tree", "-m", "long", tree))
    state = await built(builder, build_request(repository=url))
    assert state.status is BuildStatus.ERROR
    assert state.message.startswith("the repository has more than")
