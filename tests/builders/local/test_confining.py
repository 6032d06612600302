"""The confinement of programs, and the log of what this machine does not support."""

from pathlib import Path

import pytest

from backends.builders.local.confine import confinement
from backends.builders.local.engine import EngineName
from backends.builders.local.memory import Memory, find_cgroups
from backends.builders.local.process import environment, run
from tests.builders.local.conftest import Open

MIB = 1024 * 1024
TAKE = "head -c {0} /dev/zero | tail"
"""Allocates that many bytes, since the input has no line end."""


async def taking(size: int, memory: Memory) -> int:
    """Return the exit code of a program that allocates so many bytes."""
    script = ("sh", "-c", f"{TAKE.format(size)} > /dev/null")
    return await run(script, output=bytearray().extend, env=environment(), memory=memory)


async def test_each_process_has_a_memory_limit() -> None:
    assert await taking(10 * MIB, Memory(256 * MIB)) == 0
    assert await taking(512 * MIB, Memory(256 * MIB)) != 0


async def test_all_processes_of_a_program_share_a_memory_limit() -> None:
    cgroups = await find_cgroups()
    if cgroups is None:
        pytest.skip("memory cgroups cannot be made here")
    memory = Memory(256 * MIB, 64 * MIB, cgroups)
    assert await taking(10 * MIB, memory) == 0
    assert await taking(128 * MIB, memory) != 0
    with memory.group() as joined_by:
        assert Path(joined_by).exists()
    assert not Path(joined_by).parent.exists()


async def test_an_engine_with_a_runtime_stays_in_the_hosts_pid_namespace(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setenv("BUILDAH_ISOLATION", "oci")
    assert (await confinement(EngineName(engine), 1)).namespace == ()
    monkeypatch.setenv("BUILDAH_ISOLATION", "chroot")
    assert (await confinement(EngineName.DOCKER, 1)).namespace == ()


async def test_missing_confinement_is_logged_at_the_start(
    open_builder: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Without a shell, no process can join a cgroup.
    (tmp_path / "sh").write_text("#!/bin/false\n")
    (tmp_path / "sh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    await open_builder()
    (message,) = (each.message for each in caplog.records if "on this machine" in each.message)
    assert message == (
        "local builds on this machine: "
        "the memory of git is limited for each process, but not in total"
    )
