"""The health check of the store, including etcd behind the API server."""

from pathlib import PurePosixPath

import pytest
from aiohttp import web

from backends.kube.connection import KubeConnection
from backends.stores.base import Unavailable
from backends.stores.kubernetes import KubernetesStore
from tests.kube.fake_api_server import FakeApiServer, Handler, page, status

FORBIDDEN = 'secrets is forbidden: User "me" cannot get resource "secrets" in API group ""'


def recording(paths: list[str], answer: web.Response) -> Handler:
    """Return a response, and record the path of its request."""

    async def respond(request: web.Request) -> web.Response:
        paths.append(request.path)
        return answer

    return respond


async def test_ping_reads_a_missing_secret_once(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    paths: list[str] = []
    server.answers = [recording(paths, status(404, message="not found"))]
    await KubernetesStore(connection).ping()
    (path,) = paths
    assert PurePosixPath(path).parent == PurePosixPath("/api/v1/namespaces/default/secrets")
    assert len(server.seen) == 1


async def test_ping_fails_if_the_api_server_is_ready_without_etcd(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    async def without_etcd(request: web.Request) -> web.Response:
        if request.path == "/readyz":
            return web.Response(text="ok")
        return status(500, message="etcdserver: request timed out")

    server.answers = [without_etcd] * 100
    with pytest.raises(Unavailable, match="does not respond"):
        await KubernetesStore(connection).ping()


async def test_ping_fails_on_an_html_page(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    server.answers = [page(404) for _ in range(100)]
    with pytest.raises(Unavailable, match="does not respond"):
        await KubernetesStore(connection).ping()


async def test_ping_reads_in_the_first_configured_namespace(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    paths: list[str] = []
    server.answers = [recording(paths, status(404, message="not found"))]
    await KubernetesStore(connection, namespaces=["tool-a", "tool-b"]).ping()
    assert paths[0].startswith("/api/v1/namespaces/tool-a/secrets/")


async def test_without_permission_to_read_ping_uses_readyz(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    store = KubernetesStore(connection, namespaces=["tool-a", "tool-b"])
    paths: list[str] = []
    server.answers = [status(403, message=FORBIDDEN), recording(paths, web.Response(text="ok"))]
    await store.ping()
    assert paths == ["/readyz"]
    server.answers = [status(403, message=FORBIDDEN) for _ in range(2)]
    with pytest.raises(Unavailable, match="denies access to this service"):
        await store.ping()
