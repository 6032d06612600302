"""A server of git repositories, and a resolver that may ask it."""

from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from aiohttp.test_utils import TestServer
from pytest_aiohttp.plugin import AiohttpServer

from backends.builders.base import Source
from backends.git.resolver import CommitResolver
from tests.factories import TOOL
from tests.git.serving import GitServer

Resolve: TypeAlias = Callable[..., Coroutine[Any, Any, str | None]]


@pytest.fixture
def repositories(tmp_path: Path) -> GitServer:
    return GitServer(tmp_path)


@pytest.fixture
async def server(repositories: GitServer, aiohttp_server: AiohttpServer) -> TestServer:
    return await aiohttp_server(repositories.app())


@pytest.fixture
async def resolver() -> AsyncIterator[CommitResolver]:
    resolver = CommitResolver(private=True)
    await resolver.open()
    yield resolver
    await resolver.close()


@pytest.fixture
def resolve(resolver: CommitResolver, server: TestServer) -> Resolve:
    """Resolve a ref of a repository on the server."""

    async def resolved(ref: str | None = None, name: str = "web.git") -> str | None:
        return await resolver.resolve(TOOL, Source(str(server.make_url(f"/{name}")), ref))

    return resolved
