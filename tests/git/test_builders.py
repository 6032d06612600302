"""The builders that resolve commits with this."""

import pytest
from aiohttp.test_utils import TestServer
from yarl import URL

from backends.builders.base import Builder, BuildRejected, Source
from backends.builders.tekton.builder import TektonBuilder
from backends.builders.toolforge import ToolforgeBuilder
from backends.git.resolver import CommitResolver
from backends.kube.connection import KubeConnection
from tests.builders.local.conftest import git
from tests.factories import TOOL, build_request
from tests.git.serving import GitServer


@pytest.fixture(params=["tekton", "toolforge"])
def builder(request: pytest.FixtureRequest, resolver: CommitResolver) -> Builder:
    if request.param == "tekton":
        connection = KubeConnection(None, None)
        return TektonBuilder(connection, "git-clone-buildah", resolver=resolver)
    return ToolforgeBuilder(URL("https://api.example.org/builds"), resolver=resolver)


async def test_a_builder_resolves_commits(
    builder: Builder, repositories: GitServer, server: TestServer
) -> None:
    where = repositories.make()
    source = Source(str(server.make_url("/web.git")), "main")
    assert await builder.resolve(TOOL, source) == git(where, "rev-parse", "main")


async def test_tekton_asks_no_repository_that_it_would_not_build(resolver: CommitResolver) -> None:
    builder = TektonBuilder(KubeConnection(None, None), "git-clone-buildah", resolver=resolver)
    with pytest.raises(BuildRejected, match="must not contain"):
        await builder.resolve(TOOL, build_request(ref="$(reboot)").source)
