"""Whether the store answers: what is behind the API server included."""

from pathlib import PurePosixPath

import pytest
from aiohttp import web

from backends.kube.connection import KubeConnection
from backends.stores.base import Unavailable
from backends.stores.kubernetes import KubernetesStore
from tests.kube.stand_in import Responding, StandIn, page, status

NO_RIGHT = 'secrets is forbidden: User "me" cannot get resource "secrets" in API group ""'


def asked(paths: list[str], answer: web.Response) -> Responding:
    """Give an answer, and note for what."""

    async def respond(request: web.Request) -> web.Response:
        paths.append(request.path)
        return answer

    return respond


async def test_what_is_not_there_is_asked_for_once(
    server: StandIn, connection: KubeConnection
) -> None:
    paths: list[str] = []
    server.answers = [asked(paths, status(404, message="not found"))]
    await KubernetesStore(connection).ping()
    (path,) = paths
    assert PurePosixPath(path).parent == PurePosixPath("/api/v1/namespaces/default/secrets")
    assert len(server.seen) == 1


async def test_an_api_server_that_is_ready_without_its_etcd_is_no_store(
    server: StandIn, connection: KubeConnection
) -> None:
    async def without_etcd(request: web.Request) -> web.Response:
        if request.path == "/readyz":
            return web.Response(text="ok")
        return status(500, message="etcdserver: request timed out")

    server.answers = [without_etcd] * 100
    with pytest.raises(Unavailable, match="does not answer"):
        await KubernetesStore(connection).ping()


async def test_a_page_of_something_else_is_no_answer(
    server: StandIn, connection: KubeConnection
) -> None:
    server.answers = [page(404) for _ in range(100)]
    with pytest.raises(Unavailable, match="does not answer"):
        await KubernetesStore(connection).ping()


async def test_a_service_with_namespaces_of_its_own_asks_in_the_first(
    server: StandIn, connection: KubeConnection
) -> None:
    paths: list[str] = []
    server.answers = [asked(paths, status(404, message="not found"))]
    await KubernetesStore(connection, namespaces=["tool-a", "tool-b"]).ping()
    assert paths[0].startswith("/api/v1/namespaces/tool-a/secrets/")


async def test_where_it_may_not_read_there_the_api_servers_word_counts(
    server: StandIn, connection: KubeConnection
) -> None:
    store = KubernetesStore(connection, namespaces=["tool-a", "tool-b"])
    paths: list[str] = []
    server.answers = [status(403, message=NO_RIGHT), asked(paths, web.Response(text="ok"))]
    await store.ping()
    assert paths == ["/readyz"]
    server.answers = [status(403, message=NO_RIGHT) for _ in range(2)]
    with pytest.raises(Unavailable, match="does not let this service in"):
        await store.ping()
