"""The toolforge builder fulfils the contract of builders without idempotency keys."""

import pytest
from aiohttp.test_utils import TestServer

from backends.builders.base import Builder, BuildRequest, BuildState
from tests.builders.keyless_contract import KeylessBuilderContract
from tests.builders.toolforge.builds_service import REFUSED_REF, BuildsService
from tests.builders.toolforge.conftest import Serve
from tests.factories import TOOL, build_request


class TestToolforgeBuilder(KeylessBuilderContract):
    @pytest.fixture
    def service(self) -> BuildsService:
        return BuildsService(slots=100)

    @pytest.fixture
    async def builder(
        self, serve: Serve, service: BuildsService, servers: list[TestServer]
    ) -> Builder:
        self.fake, self.servers = service, servers
        return await serve(service)

    @pytest.fixture
    async def narrow(self, serve: Serve) -> Builder:
        self.fake = BuildsService(slots=1)
        return await serve(self.fake)

    def bad_request(self) -> BuildRequest:
        return build_request("bad", "bad", ref=REFUSED_REF)

    async def until_final(self, builder: Builder, build_id: str) -> BuildState:
        for build in self.fake.builds:
            if build.id == build_id and not build.is_final:
                build.end("BUILD_SUCCESS")
        state = (await builder.get(TOOL, [build_id]))[build_id]
        assert state is not None
        return state

    async def running(self, builder: Builder) -> str:
        return (await builder.start(self.request_for())).id

    async def lose(self, builder: Builder, build_id: str) -> None:
        self.fake.builds.clear()

    async def cut_off(self, builder: Builder) -> None:
        await self.servers[0].close()

    async def lose_responses(self, builder: Builder) -> None:
        self.fake.fault = lambda: "after"

    async def respond_again(self, builder: Builder) -> None:
        self.fake.fault = lambda: None
