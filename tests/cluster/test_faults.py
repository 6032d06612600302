"""The store with a failing API server: retried if safe, and nothing executed twice."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import pytest
from aiohttp import web

from backends.kube.connection import KubeConnection
from backends.stores.base import (
    AlreadyExists,
    Conflict,
    DocumentState,
    NotFound,
    Rejected,
    Unavailable,
)
from backends.stores.kubernetes import KubernetesStore
from tests.cluster.apiserver import TOOL_USERS
from tests.cluster.conftest import PREFIX, OpenStore
from tests.cluster.proxy import Proxy, answer, cut, html, lose_response
from tests.stores.contract import DATA, KIND


@pytest.fixture
def tool(tools: tuple[str, str]) -> str:
    return tools[0]


@pytest.fixture
async def store(proxied: Path, open_store: OpenStore) -> KubernetesStore:
    """A store that connects through the proxy."""
    return await open_store(connection=KubeConnection(str(proxied)))


@pytest.mark.parametrize(
    "fault",
    [cut, answer(429), answer(500), answer(503, retry_after=1), html(200), html(404), html(403)],
)
async def test_a_call_with_a_transient_error_is_retried(
    store: KubernetesStore, proxy: Proxy, tool: str, fault: object
) -> None:
    proxy.faults = [fault]  # type: ignore[list-item]
    await store.create(tool, KIND, "one", DATA)
    assert (await store.get(tool, KIND, "one")).data == DATA
    assert [method for method, _ in proxy.seen] == ["POST", "POST", "GET"]


async def test_a_creation_with_a_lost_response_succeeds(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    proxy.faults = [lose_response]
    created = await store.create(tool, KIND, "one", DATA, DocumentState.OPEN)
    assert created == await store.get(tool, KIND, "one")
    assert (created.data, created.state) == (DATA, DocumentState.OPEN)


async def test_a_creation_that_finds_another_document_fails(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    await store.create(tool, KIND, "one", {"another": 1})
    proxy.faults = [cut]
    with pytest.raises(AlreadyExists):
        await store.create(tool, KIND, "one", DATA)
    assert (await store.get(tool, KIND, "one")).data == {"another": 1}


async def test_a_replacement_with_a_lost_response_succeeds(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    document = await store.create(tool, KIND, "one", DATA)
    proxy.faults = [lose_response]
    replaced = await store.replace(document, {"new": 1}, DocumentState.OPEN)
    assert replaced == await store.get(tool, KIND, "one")
    assert replaced.version != document.version


async def test_a_lost_replacement_overtaken_by_another_is_a_conflict(
    store: KubernetesStore, proxy: Proxy, open_store: OpenStore, tool: str
) -> None:
    other = await open_store()
    document = await store.create(tool, KIND, "one", DATA)

    async def overtake(proxy: Proxy, request: web.Request) -> web.Response:
        await other.replace(document, {"other": 1}, DocumentState.PLAIN)
        return await cut(proxy, request)

    proxy.faults = [overtake]
    with pytest.raises(Conflict):
        await store.replace(document, {"mine": 1}, DocumentState.PLAIN)
    assert (await store.get(tool, KIND, "one")).data == {"other": 1}


async def test_a_conditional_deletion_with_a_lost_response_succeeds(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    document = await store.create(tool, KIND, "one", DATA)
    proxy.faults = [lose_response]
    await store.delete(tool, KIND, "one", document.version)
    with pytest.raises(NotFound):
        await store.get(tool, KIND, "one")


async def test_a_list_whose_continue_token_expires_is_complete(
    store: KubernetesStore, proxy: Proxy, open_store: OpenStore, tool: str
) -> None:
    for n in range(7):
        await store.create(tool, KIND, f"d{n}", {"n": n})
    paged = await open_store(connection=store._kube, page=3)
    proxy.faults = [None, answer(410, reason="Expired", kind="Status")]
    listing = await paged.list(tool, KIND)
    assert sorted(each.name for each in listing.documents) == [f"d{n}" for n in range(7)]


async def test_list_open_works_after_etcd_was_restored_to_an_older_state(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    document = await store.create(tool, KIND, "one", DATA, DocumentState.OPEN)
    cause = {"causes": [{"reason": "ResourceVersionTooLarge"}]}
    proxy.faults = [answer(504, reason="Timeout", kind="Status", details=cause)]
    assert document in (await store.list_open(KIND)).documents
    assert f"resourceVersion={document.version}" in proxy.seen[-2][1]
    assert "resourceVersion" not in proxy.seen[-1][1]


async def test_a_failing_server_is_unavailable_within_ten_seconds(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    proxy.faults = [answer(500, message="etcdserver: leader changed")] * 1000
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable, match="server does not respond"):
        await store.get(tool, KIND, "one")
    assert asyncio.get_running_loop().time() - began < 11
    assert len(proxy.seen) > 3


async def test_an_unauthorized_client_logs_in_again_once(
    store: KubernetesStore, proxy: Proxy, tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.faults = [answer(401, message="Unauthorized")] * 9
    with pytest.raises(Unavailable, match="denies access to this service"):
        await store.get(tool, KIND, "one")
    assert len(proxy.seen) == 2  # before and after the reload of the configuration
    with pytest.raises(Unavailable, match="denies access to this service"):
        await store.get(tool, KIND, "one")
    assert len(proxy.seen) == 3
    assert "Unauthorized" in caplog.text
    assert PREFIX


async def test_a_list_that_always_expires_is_unavailable(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    proxy.faults = [answer(410, reason="Expired", kind="Status")] * 10
    with pytest.raises(Unavailable):
        await store.list(tool, KIND)
    assert len(proxy.seen) == 2


async def test_a_quota_conflict_on_creation_is_unavailable(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    message = "Operation cannot be fulfilled on resourcequotas: the object has been modified"
    proxy.faults = [answer(409, reason="Conflict", message=message)]
    with pytest.raises(Unavailable):
        await store.create(tool, KIND, "one", DATA)


async def test_an_html_page_instead_of_a_document_does_not_mean_not_found(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    document = await store.create(tool, KIND, "one", DATA)
    proxy.faults = [html(404)] * 3
    assert await store.get(tool, KIND, "one") == document


async def test_a_namespace_that_cannot_be_listed_is_logged_and_skipped(
    store: KubernetesStore,
    proxy: Proxy,
    open_store: OpenStore,
    tools: tuple[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    document = await store.create(tools[1], KIND, "one", DATA, DocumentState.OPEN)
    both = await open_store(connection=store._kube, namespaces=[PREFIX + each for each in tools])

    async def refuse_the_first(proxy: Proxy, request: web.Request) -> web.StreamResponse:
        if f"/{PREFIX}{tools[0]}/" not in request.path:
            return await proxy.forward(request)
        message = 'User "x" cannot list resource "secrets" in API group ""'
        errors_of: web.StreamResponse = await answer(403, message=message)(proxy, request)
        return errors_of

    for _ in range(3):
        proxy.faults = [refuse_the_first] * 2
        assert (await both.list_open(KIND)).documents == (document,)
    (message,) = (each for each in caplog.messages if "stand still" in each)
    assert f"namespace {PREFIX}{tools[0]}" in message
    assert "missing permission: list secrets" in message


async def test_if_no_namespace_can_be_listed_the_store_is_unavailable(
    open_store: OpenStore, tools: tuple[str, str]
) -> None:
    unlisted = await open_store(TOOL_USERS[0], namespaces=[PREFIX + each for each in tools])
    with pytest.raises(Unavailable):
        await unlisted.list_open(KIND)


async def test_a_namespace_whose_list_fails_is_retried_and_not_skipped(
    store: KubernetesStore, proxy: Proxy, open_store: OpenStore, tools: tuple[str, str]
) -> None:
    document = await store.create(tools[0], KIND, "one", DATA, DocumentState.OPEN)
    both = await open_store(connection=store._kube, namespaces=[PREFIX + each for each in tools])

    async def cut_the_first(proxy: Proxy, request: web.Request) -> web.StreamResponse:
        if f"/{PREFIX}{tools[0]}/" not in request.path:
            return await proxy.forward(request)
        return await cut(proxy, request)

    proxy.faults = [cut_the_first] * 4
    assert (await both.list_open(KIND)).documents == (document,)


async def test_one_wrong_date_changes_nothing_and_costs_one_call(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    before = await store.now()

    async def an_hour_ahead(proxy: Proxy, request: web.Request) -> web.StreamResponse:
        response = await proxy.forward(request)
        date = parsedate_to_datetime(response.headers["Date"]) + timedelta(hours=1)
        response.headers["Date"] = format_datetime(date, usegmt=True)
        return response

    proxy.faults = [an_hour_ahead]
    await store.list(tool, KIND)
    asked = len(proxy.seen)
    assert await store.now() - before < timedelta(minutes=1)
    assert len(proxy.seen) == asked + 1
    proxy.faults = [an_hour_ahead] * 4
    await store.list(tool, KIND)
    with pytest.raises(Unavailable, match="they report different times"):
        await store.now()
    assert await store.now() - before < timedelta(minutes=1)
    assert store.steady_for() == timedelta.max


async def test_a_rejection_that_mentions_immutable_is_not_mistaken_for_sealed(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    message = 'secrets "immutable-1" is forbidden: exceeded quota: few'
    proxy.faults = [answer(403, message=message)]
    with pytest.raises(Rejected, match="exceeded quota"):
        await store.create(tool, KIND, "one", DATA)


async def test_a_rejected_read_is_not_passed_on_to_the_client(
    store: KubernetesStore, proxy: Proxy, tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.faults = [answer(403, message="10.1.2.3 is forbidden by policy")]
    with pytest.raises(Unavailable) as caught:
        await store.get(tool, KIND, "one")
    assert "10.1.2.3" not in str(caught.value)
    assert "10.1.2.3" in caplog.text
