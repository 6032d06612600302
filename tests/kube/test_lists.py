"""Lists that take long, and namespaces that come and go."""

import pytest
from aiohttp import web

from backends.kube.connection import CALL, KubeConnection
from backends.stores.base import DocumentState, Unavailable
from backends.stores.kubernetes import KubernetesStore
from backends.stores.secret_documents import secret_of
from tests.kube.stand_in import EMPTY, StandIn, after, page, status

SECRET_OF_OTHER = secret_of("deployment", "one", {}, DocumentState.OPEN)
SECRET_OF_OTHER["metadata"] |= {"namespace": "tool-b", "resourceVersion": "7"}


async def test_a_list_of_all_that_is_open_may_take_as_long_as_it_needs(
    server: StandIn, connection: KubeConnection
) -> None:
    server.answers = [after(CALL.attempt + 0.5, web.json_response(EMPTY))]
    assert (await KubernetesStore(connection).list_open("deployment")).documents == ()
    assert len(server.seen) == 1


async def test_a_namespace_that_is_gone_hides_no_other(
    server: StandIn, connection: KubeConnection, caplog: pytest.LogCaptureFixture
) -> None:
    async def only_the_other(request: web.Request) -> web.StreamResponse:
        if "/tool-a/" in request.path:
            return status(404, message="there is no such namespace")
        return web.json_response({**EMPTY, "items": [SECRET_OF_OTHER]})

    store = KubernetesStore(connection, namespaces=["tool-a", "tool-b"])
    for _ in range(3):
        server.answers = [only_the_other] * 2
        listing = await store.list_open("deployment")
        assert [each.tool for each in listing.documents] == ["b"]
    (told,) = caplog.messages
    assert "namespace tool-a, whose Secrets cannot be listed: there is no such namespace" in told


async def test_where_all_are_gone_the_store_is_unavailable(
    server: StandIn, connection: KubeConnection
) -> None:
    store = KubernetesStore(connection, namespaces=["tool-a", "tool-b"])
    server.answers = [status(404), status(404)]
    with pytest.raises(Unavailable):
        await store.list_open("deployment")


async def test_a_page_of_something_else_passes_no_namespace_over(
    server: StandIn, connection: KubeConnection, caplog: pytest.LogCaptureFixture
) -> None:
    store = KubernetesStore(connection, namespaces=["tool-a", "tool-b"])
    server.answers = [page(403), page(404)]
    assert (await store.list_open("deployment")).documents == ()
    assert len(server.seen) == 4
    assert not caplog.messages


async def test_a_login_that_has_ended_is_not_about_a_namespace(
    server: StandIn, connection: KubeConnection
) -> None:
    store = KubernetesStore(connection, namespaces=["tool-a", "tool-b"])
    server.tokens = set()
    with pytest.raises(Unavailable, match="does not let this service in"):
        await store.list_open("deployment")
