"""The example builder in ARCHITECTURE.md, installed as a third-party package for a real service."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from backends.builders.base import Builder, BuildState, BuildStatus
from components.plugins import open_builder
from components.settings import environment
from tests.builders.contract import BuilderContract
from tests.factories import TOOL, configuration
from tests.http.conftest import CONFIG, DEPLOY, SUBJECT, data_of
from tests.service.test_process import COMPONENTS, service

ROOT = Path(__file__).parents[2]


def example(language: str) -> str:
    """Return the first block of code of a language in ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    return text.split(f"```{language}\n", 1)[1].split("```", 1)[0]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a directory where the example is installed, with its entry point."""
    (tmp_path / "spool_builder.py").write_text(example("python"))
    group, line = example("toml").strip().splitlines()
    assert group == '[project.entry-points."components.builders"]'
    metadata = tmp_path / "spool_builder-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: spool-builder\nVersion: 1.0\n")
    entry_points = f"[components.builders]\n{line.replace(chr(34), '')}\n"
    (metadata / "entry_points.txt").write_text(entry_points)
    return tmp_path


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    directory = tmp_path / "spool"
    directory.mkdir()
    return directory


def test_the_example_has_at_most_40_lines() -> None:
    assert len(example("python").splitlines()) <= 40


class TestSpoolBuilder(BuilderContract):
    @pytest.fixture
    def installed(self, package: Path) -> Iterator[None]:
        sys.path.insert(0, str(package))
        yield
        sys.path.remove(str(package))
        sys.modules.pop("spool_builder", None)

    @pytest.fixture
    async def builder(
        self, installed: None, spool: Path, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[Builder]:
        monkeypatch.setenv("COMPONENTS_SPOOL_DIR", str(spool))
        self.spool = spool
        builder = await open_builder("spool", environment())
        yield builder
        await builder.close()

    async def until_final(self, builder: Builder, build_id: str) -> BuildState:
        (self.spool / f"{TOOL}.{build_id}.log").write_text("done\n")
        (self.spool / f"{TOOL}.{build_id}.result").write_text("registry.example.org/web:1")
        state = (await builder.get(TOOL, [build_id]))[build_id]
        assert state is not None
        return state


async def test_a_service_builds_with_the_example(package: Path, spool: Path) -> None:
    env = {
        "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")]),
        "COMPONENTS_BUILDER": "spool",
        "COMPONENTS_SPOOL_DIR": str(spool),
    }
    async with service(**env) as (_, url), aiohttp.ClientSession(url, headers=SUBJECT) as client:
        await data_of(await client.post(CONFIG, json=configuration("web")))
        created = await data_of(await client.post(DEPLOY), 201)
        (request,) = spool.glob("*.request")
        assert "https://git.example.org/mytool" in request.read_text()
        request.with_suffix(".result").write_text("i")
        shown = await data_of(await client.get(f"{DEPLOY}/{created['deploy-id']}"))
        assert shown["builds"]["web"]["status"] == BuildStatus.FINISHED
        assert shown["builds"]["web"]["image"] == "i"


async def test_a_misspelled_setting_of_the_example_is_reported(package: Path, spool: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        COMPONENTS,
        "serve",
        stderr=PIPE,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")]),
            "COMPONENTS_PORT": "0",
            "COMPONENTS_BUILDER": "spool",
            "COMPONENTS_SPOOL_DIR": str(spool),
            "COMPONENTS_SPOOL_DRI": str(spool),
        },
    )
    assert process.stderr is not None
    lines = [(await process.stderr.readline()).decode(), (await process.stderr.readline()).decode()]
    process.terminate()
    await process.communicate()
    assert "COMPONENTS_SPOOL_DRI is set, and nothing reads it" in lines[0]
    assert "did you mean COMPONENTS_SPOOL_DIR?" in lines[0]
    assert "listening on" in lines[1]
