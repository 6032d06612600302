"""Builds of the local builder, from a repository to an image."""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from backends.builders.base import BuilderUnavailable, BuildRejected, BuildStatus
from backends.builders.local.builder import LocalBuilder
from backends.builders.local.process import environment, output_of
from tests.builders.local.building import built, log_of
from tests.builders.local.conftest import DOCKERFILE, ENDLESS, Make, Open, git
from tests.builders.local.processes import that_name
from tests.factories import TOOL, build_request


async def content(image: str, path: str, tmp_path: Path) -> str:
    """Return the content of a file in an image."""
    where = tmp_path / hashlib.sha256(image.encode()).hexdigest()[:8]
    script = f"buildah mount $(buildah from {image})"
    code, mounted = await output_of(("sh", "-c", script), environment())
    assert code == 0, mounted
    copied = Path(mounted.splitlines()[-1]) / path
    shutil.copyfile(copied, where, follow_symlinks=False)
    return where.read_text()


async def test_an_image_has_the_files_of_the_repository_and_the_commit_as_tag(
    builder: LocalBuilder, make: Make, served: tuple[Path, str], tmp_path: Path
) -> None:
    state = await built(builder, build_request(repository=make()))
    commit = git(served[0] / "web", "rev-parse", "HEAD")
    assert (state.status, state.message) == (BuildStatus.FINISHED, "")
    assert state.commit == commit
    assert state.image == f"localhost/{TOOL}/web:{commit[:12]}"
    assert state.digest is not None
    assert state.digest.startswith("sha256:")
    assert await content(state.image, "hello", tmp_path) == "hello"
    assert await builder.has_image(TOOL, state.image) is True


@pytest.mark.parametrize("ref", ["other", "v1", "annotated", "commit"])
async def test_a_ref_may_be_a_branch_a_tag_or_a_commit(
    builder: LocalBuilder, make: Make, served: tuple[Path, str], ref: str
) -> None:
    url, where = make(), served[0] / "web"
    git(where, "checkout", "--quiet", "-b", "other")
    git(where, "commit", "--quiet", "--allow-empty", "--message=second")
    git(where, "tag", "v1")
    git(where, "tag", "--annotate", "--message=tag", "annotated")
    commit = git(where, "rev-parse", "HEAD")
    git(where, "checkout", "--quiet", "main")
    named = commit if ref == "commit" else ref
    request = build_request(repository=url, ref=named)
    assert await builder.resolve(TOOL, request.source) == commit
    assert (await built(builder, request)).commit == commit


@pytest.mark.parametrize("name", ["Containerfile", "Dockerfile"])
async def test_both_names_of_a_dockerfile_are_supported(
    builder: LocalBuilder, make: Make, name: str
) -> None:
    files = {"Containerfile": "", name: DOCKERFILE}
    state = await built(builder, build_request(repository=make(**files)))
    assert state.status is BuildStatus.FINISHED


async def test_a_repository_without_a_dockerfile_reports_what_is_missing(
    builder: LocalBuilder, make: Make
) -> None:
    state = await built(builder, build_request(repository=make(Containerfile="")))
    assert state.status is BuildStatus.ERROR
    assert "neither a Containerfile nor a Dockerfile" in state.message


async def test_without_a_dockerfile_pack_builds_if_installed(
    builder: LocalBuilder, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pack needs a registry and a docker daemon: this fake prints its arguments and fails.
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "pack").write_text('#!/bin/sh\necho "error: pack $@"\nexit 1\n')
    (programs / "pack").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    state = await built(builder, build_request(repository=make(Containerfile="")))
    assert state.message.startswith(f"error: pack build localhost/{TOOL}/web:")
    assert state.message.endswith("/source --builder heroku/builder:24")


async def test_a_failed_build_says_why(builder: LocalBuilder, make: Make) -> None:
    url = make(Containerfile="FROM scratch\nCOPY missing /missing\n")
    state = await built(builder, build_request(repository=url))
    assert state.status is BuildStatus.ERROR
    assert "missing" in state.message
    assert "no such file or directory" in state.message
    log = await log_of(builder, state.id)
    assert log.count(state.message.splitlines()[-1]) == 1
    assert log.endswith("\nerror")


async def test_a_missing_ref_is_named(builder: LocalBuilder, make: Make) -> None:
    request = build_request(repository=make(), ref="mian")
    state = await built(builder, request)
    assert state.status is BuildStatus.ERROR
    assert "couldn't find remote ref mian" in state.message
    with pytest.raises(BuildRejected, match="the repository has no 'mian'"):
        await builder.resolve(TOOL, request.source)


async def test_a_missing_repository_is_named(
    builder: LocalBuilder, served: tuple[Path, str]
) -> None:
    request = build_request(repository=f"{served[1]}/none")
    state = await built(builder, request)
    assert state.status is BuildStatus.ERROR
    assert "none" in state.message
    with pytest.raises(BuilderUnavailable, match="the repository cannot be read"):
        await builder.resolve(TOOL, request.source)


async def test_the_log_has_the_output_of_the_programs(builder: LocalBuilder, make: Make) -> None:
    state = await built(builder, build_request(repository=make()))
    log = await log_of(builder, state.id)
    assert "STEP 2/2: COPY hello /hello" in log
    assert f"commit {state.commit}" in log
    assert log.endswith("finished")


async def test_a_build_that_takes_too_long_is_stopped(
    open_builder: Open, make: Make, silence: str
) -> None:
    builder = await open_builder(timeout=1)
    url = make(Containerfile=ENDLESS.format(url=silence))
    state = await built(builder, build_request(repository=url))
    assert state.status is BuildStatus.ERROR
    assert state.message == "the build took longer than 1 s and was stopped"


async def test_the_files_of_a_build_are_deleted_when_it_ends(
    builder: LocalBuilder, make: Make, tmp_path: Path
) -> None:
    await built(builder, build_request(repository=make()))
    assert list((tmp_path / "builds/work").iterdir()) == []


@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_no_process_of_a_build_outlives_it(
    open_builder: Open, make: Make, silence: str, tmp_path: Path, how: str
) -> None:
    builder = await open_builder()
    url = make(Containerfile=ENDLESS.format(url=silence))
    build_id = (await builder.start(build_request(repository=url))).id
    async for line in builder.log(TOOL, build_id, follow=True):
        if "ADD" in line:
            break
    assert that_name(str(tmp_path / "builds"))
    if how == "cancel":
        await builder.cancel(TOOL, build_id)
        async for _ in builder.log(TOOL, build_id, follow=True):
            pass
    else:
        await builder.close()
    assert that_name(str(tmp_path / "builds")) == {}


async def test_two_readers_follow_one_log(builder: LocalBuilder, make: Make) -> None:
    build_id = (await builder.start(build_request(repository=make()))).id

    async def followed() -> list[str]:
        return [line async for line in builder.log(TOOL, build_id, follow=True)]

    one, other = await asyncio.gather(followed(), followed())
    assert one == other
    assert one[-1] == "finished"
