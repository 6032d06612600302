"""`make cluster-assets` builds once and then uses its cache. A script replaces Go."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cluster.assets.__main__ import PROGRAMS

ROOT = Path(__file__).parents[2]
GO = """#!/bin/sh
[ "$1" = env ] && { echo go1.99.0; exit; }
echo built >>"$0.log"
while [ "$1" != -o ]; do shift; done
cd "$2" && shift 2
touch "$@"
[ ! -e "$0.fails" ]
"""


@pytest.fixture
def go(tmp_path: Path) -> Path:
    path = tmp_path / "bin/go"
    path.parent.mkdir()
    path.write_text(GO)
    path.chmod(0o755)
    return path


@pytest.fixture
def environ(tmp_path: Path, go: Path) -> Mapping[str, str]:
    more = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": f"{go.parent}:{os.environ['PATH']}"}
    return os.environ | more


async def assets(environ: Mapping[str, str]) -> tuple[int | None, str]:
    """Return the exit code and the output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.cluster.assets", cwd=ROOT, env=environ, stdout=PIPE
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode().strip()


async def test_two_concurrent_runs_build_once_and_print_the_same_directory(
    go: Path, environ: Mapping[str, str]
) -> None:
    one, other = await asyncio.gather(assets(environ), assets(environ))
    assert one == other == await assets(environ)
    code, directory = one
    assert code == 0
    assert sorted(each.name for each in Path(directory).iterdir()) == sorted(PROGRAMS)
    assert Path(f"{go}.log").read_text() == "built\n"


async def test_a_failed_build_leaves_no_directory_behind(
    go: Path, environ: Mapping[str, str]
) -> None:
    fails = Path(f"{go}.fails")
    fails.touch()
    assert await assets(environ) == (1, "")
    fails.unlink()
    code, directory = await assets(environ)
    assert code == 0
    assert Path(directory).is_dir()
    assert Path(f"{go}.log").read_text() == "built\n" * 2
