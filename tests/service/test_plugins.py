"""Backends are found by name, including those of third-party packages."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from backends.builders.simulated import SimulatedBuilder
from backends.stores.memory import MemoryStore
from components.http.app import create_app
from components.plugins import open_builder, open_store
from components.settings import Settings, SettingsError, environment
from tests.http.conftest import data_of


async def test_built_in_backends_are_found() -> None:
    assert isinstance(await open_store("memory", environment()), MemoryStore)
    assert isinstance(await open_builder("simulated", environment()), SimulatedBuilder)


async def test_an_unknown_backend_is_reported_with_the_known_ones() -> None:
    with pytest.raises(SettingsError) as caught:
        await open_store("redis", environment())
    assert (
        str(caught.value)
        == "COMPONENTS_STORE: nothing provides 'redis'; there are: kubernetes, memory"
    )
    with pytest.raises(SettingsError, match="COMPONENTS_BUILDER: nothing provides 'x'; there are"):
        await open_builder("x", environment())


@pytest.fixture
def other_package(tmp_path: Path) -> Iterator[None]:
    """Install a third-party package that provides a store."""
    (tmp_path / "other_package.py").write_text(
        "from backends.stores.memory import MemoryStore\n\n\n"
        "class OtherStore(MemoryStore):\n"
        "    async def ping(self) -> None:\n"
        "        self.pinged = True\n"
    )
    metadata = tmp_path / "other_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[components.stores]\nother = other_package:OtherStore.from_env\n"
    )
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    sys.modules.pop("other_package", None)


@pytest.mark.usefixtures("other_package")
async def test_a_third_party_backend_is_found_by_its_entry_point() -> None:
    assert type(await open_store("other", environment())).__name__ == "OtherStore"


async def test_the_application_opens_backends_that_it_is_not_given(
    aiohttp_client: AiohttpClient,
) -> None:
    client = await aiohttp_client(create_app(Settings()))
    assert (await data_of(await client.get("/readyz")))["status"] == "ready"


async def test_the_application_does_not_start_with_an_unknown_backend() -> None:
    runner = web.AppRunner(create_app(Settings(store="redis")))
    with pytest.raises(SettingsError, match="COMPONENTS_STORE"):
        await runner.setup()
    await runner.cleanup()


async def test_a_backend_that_is_not_selected_is_not_loaded() -> None:
    program = (
        "import asyncio, sys; from aiohttp import web; from components.http.app import create_app; "
        "from components.settings import Settings; "
        "asyncio.run(web.AppRunner(create_app(Settings())).setup()); "
        "print('kubernetes_asyncio' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output == b"False\n"
