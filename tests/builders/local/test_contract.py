"""The local builder fulfils the contract of builders with a backend."""

import shutil
from pathlib import Path

import pytest

from backends.builders.base import Builder, BuildRequest, BuildState
from backends.builders.local.builder import LocalBuilder
from tests.builders.contract import BackedBuilderContract
from tests.builders.local.building import ended
from tests.builders.local.conftest import ENDLESS, Make, Open
from tests.factories import TOOL, build_request


class TestLocalBuilder(BackedBuilderContract):
    @pytest.fixture(autouse=True)
    def _repositories(self, make: Make, silence: str, tmp_path: Path) -> None:
        self.url = make()
        self.endless = make("endless", Containerfile=ENDLESS.format(url=silence))
        self.directory = tmp_path / "builds"

    @pytest.fixture
    async def builder(self, open_builder: Open) -> Builder:
        return await open_builder(max_builds=100)

    @pytest.fixture
    async def narrow(self, open_builder: Open) -> Builder:
        return await open_builder(max_builds=1)

    def request_for(self, component: str = "web", key: str = "one") -> BuildRequest:
        return build_request(component, key, repository=self.url)

    def bad_request(self) -> BuildRequest:
        return build_request("bad", "bad", repository="ext::sh -c true")

    async def until_final(self, builder: Builder, build_id: str) -> BuildState:
        assert isinstance(builder, LocalBuilder)
        return await ended(builder, build_id)

    async def running(self, builder: Builder) -> str:
        request = build_request("endless", "endless", repository=self.endless)
        build_id = (await builder.start(request)).id
        async for line in builder.log(TOOL, build_id, follow=True):
            if "ADD" in line:
                break
        return build_id

    async def lose(self, builder: Builder, build_id: str) -> None:
        """Like a restart of the service."""
        await builder.close()
        assert isinstance(builder, LocalBuilder)
        builder._builds.clear()

    async def cut_off(self, builder: Builder) -> None:
        shutil.rmtree(self.directory)
