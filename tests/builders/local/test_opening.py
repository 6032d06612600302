"""When the local builder starts, and with what it refuses to."""

from pathlib import Path

import pytest
from environs import Env, EnvError

from backends.builders.local.builder import LocalBuilder
from backends.builders.local.settings import Settings
from tests.builders.local.conftest import Open


async def test_it_works_with_no_store_but_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPONENTS_STORE", "kubernetes")
    with pytest.raises(EnvError, match=r"runs the code of repositories .* not with 'kubernetes'"):
        await LocalBuilder.from_env(Env(prefix="COMPONENTS_")).open()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOCAL_ENGINE", "rkt"),
        ("LOCAL_MAX_BUILDS", "-1"),
        ("LOCAL_TIMEOUT", "0"),
        ("LOCAL_MAX_BYTES", "many"),
        ("LOCAL_REGISTRY", "Local Host"),
        ("LOCAL_PACK_BUILDER", ""),
    ],
)
def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"COMPONENTS_{name}", value)
    with pytest.raises(EnvError, match=f"COMPONENTS_{name}"):
        LocalBuilder.from_env(Env(prefix="COMPONENTS_"))


async def test_an_engine_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "podman").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for engine, named in (("podman", "no podman"), ("", "no buildah, podman or docker")):
        with pytest.raises(EnvError, match=f"{named} answers on this machine"):
            await LocalBuilder(Settings(engine=engine)).open()


async def test_the_first_engine_that_answers_is_taken(open_builder: Open) -> None:
    await (await open_builder(engine="")).ping()


async def test_a_directory_that_cannot_be_used_is_named(open_builder: Open) -> None:
    with pytest.raises(EnvError, match="COMPONENTS_LOCAL_DIR: /proc/builds cannot be used"):
        await open_builder(directory="/proc/builds")


async def test_two_do_not_share_a_directory(open_builder: Open, builder: LocalBuilder) -> None:
    with pytest.raises(EnvError, match="is used by another instance"):
        await open_builder()


async def test_what_an_earlier_process_has_left_is_removed(
    open_builder: Open, tmp_path: Path
) -> None:
    for name in ("work/web-1", "logs"):
        (tmp_path / "builds" / name).mkdir(parents=True)
    (tmp_path / "builds/logs/web-1.log").write_text("old")
    await open_builder()
    assert not (tmp_path / "builds/work/web-1").exists()
    assert not (tmp_path / "builds/logs/web-1.log").exists()


async def test_a_directory_of_its_own_is_removed_at_the_end(open_builder: Open) -> None:
    builder = await open_builder(directory="")
    directory = builder._directory
    assert directory.is_dir()
    await builder.close()
    assert not directory.exists()
