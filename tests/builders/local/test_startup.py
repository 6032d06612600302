"""The startup checks of the local builder."""

from pathlib import Path

import pytest
from environs import Env, EnvError

from backends.builders.local.builder import LocalBuilder
from backends.builders.local.settings import Settings
from tests.builders.local.conftest import Open


async def test_only_the_memory_store_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPONENTS_STORE", "kubernetes")
    with pytest.raises(EnvError, match=r"runs the code of repositories .* not 'kubernetes'"):
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


async def test_an_unavailable_engine_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "podman").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for engine, named in (("podman", "podman"), ("", "buildah, podman or docker")):
        with pytest.raises(EnvError, match=f": {named} is not available on this machine"):
            await LocalBuilder(Settings(engine=engine)).open()


async def test_the_first_available_engine_is_used(open_builder: Open) -> None:
    await (await open_builder(engine="")).ping()


async def test_an_unusable_directory_is_named(open_builder: Open) -> None:
    with pytest.raises(EnvError, match="COMPONENTS_LOCAL_DIR: /proc/builds cannot be used"):
        await open_builder(directory="/proc/builds")


async def test_two_builders_do_not_share_a_directory(
    open_builder: Open, builder: LocalBuilder
) -> None:
    with pytest.raises(EnvError, match="is used by another instance"):
        await open_builder()


async def test_files_of_an_earlier_process_are_deleted(open_builder: Open, tmp_path: Path) -> None:
    for name in ("work/web-1", "logs"):
        (tmp_path / "builds" / name).mkdir(parents=True)
    (tmp_path / "builds/logs/web-1.log").write_text("old")
    await open_builder()
    assert not (tmp_path / "builds/work/web-1").exists()
    assert not (tmp_path / "builds/logs/web-1.log").exists()


async def test_a_temporary_directory_is_deleted_at_the_end(open_builder: Open) -> None:
    builder = await open_builder(directory="")
    directory = builder._directory
    assert directory.is_dir()
    await builder.close()
    assert not directory.exists()
