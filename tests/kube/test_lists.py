"""Slow lists, and namespaces that are deleted or forbidden."""

import pytest
from aiohttp import web

from backends.kube.connection import CALL, KubeConnection
from backends.stores.base import DocumentState, Unavailable
from backends.stores.kubernetes import KubernetesStore
from backends.stores.secret_documents import secret_of
from tests.kube.fake_api_server import EMPTY, FakeApiServer, after, page, status

SECRET_OF_OTHER = secret_of("deployment", "one", {}, DocumentState.OPEN)
SECRET_OF_OTHER["metadata"] |= {"namespace": "tool-b", "resourceVersion": "7"}


async def test_list_open_has_a_longer_timeout(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    server.answers = [after(CALL.attempt + 0.5, web.json_response(EMPTY))]
    assert (await KubernetesStore(connection).list_open("deployment")).documents == ()
    assert len(server.seen) == 1


async def test_a_deleted_namespace_does_not_hide_others(
    server: FakeApiServer, connection: KubeConnection, caplog: pytest.LogCaptureFixture
) -> None:
    async def list_second_only(request: web.Request) -> web.StreamResponse:
        if "/tool-a/" in request.path:
            return status(404, message="there is no such namespace")
        return web.json_response({**EMPTY, "items": [SECRET_OF_OTHER]})

    store = KubernetesStore(connection, namespaces=["tool-a", "tool-b"])
    for _ in range(3):
        server.answers = [list_second_only] * 2
        listing = await store.list_open("deployment")
        assert [each.tool for each in listing.documents] == ["b"]
    (message,) = caplog.messages
    assert "namespace tool-a stand still: its Secrets cannot be listed: there is no" in message


async def test_without_any_namespace_the_store_is_unavailable(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    store = KubernetesStore(connection, namespaces=["tool-a", "tool-b"])
    server.answers = [status(404), status(404)]
    with pytest.raises(Unavailable):
        await store.list_open("deployment")


async def test_an_html_page_does_not_skip_a_namespace(
    server: FakeApiServer, connection: KubeConnection, caplog: pytest.LogCaptureFixture
) -> None:
    store = KubernetesStore(connection, namespaces=["tool-a", "tool-b"])
    server.answers = [page(403), page(404)]
    assert (await store.list_open("deployment")).documents == ()
    assert len(server.seen) == 4
    assert not caplog.messages


async def test_an_expired_login_does_not_skip_a_namespace(
    server: FakeApiServer, connection: KubeConnection
) -> None:
    store = KubernetesStore(connection, namespaces=["tool-a", "tool-b"])
    server.tokens = set()
    with pytest.raises(Unavailable, match="denies access to this service"):
        await store.list_open("deployment")
