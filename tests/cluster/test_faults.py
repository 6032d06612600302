"""What the store makes of an API server that fails: repeated where safe, and nothing done twice."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

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
from tests.cluster.apiserver import SERVICE
from tests.cluster.conftest import PREFIX, Cluster, OpenStore
from tests.cluster.proxy import Proxy, answer, cut, lose_answer
from tests.stores.contract import DATA, KIND


@pytest.fixture
def tool(tools: tuple[str, str]) -> str:
    return tools[0]


@pytest.fixture
async def proxy(cluster: Cluster) -> Proxy:
    if cluster.server is None:
        pytest.skip("only an API server of our own can be put behind a proxy")
    return Proxy(cluster.server.url)


@pytest.fixture
async def store(
    proxy: Proxy, aiohttp_server: AiohttpServer, open_store: OpenStore, tmp_path: Path
) -> KubernetesStore:
    """A store that reaches the API server through the proxy."""
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    server = await aiohttp_server(app)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        f"""
apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: test, cluster: {{server: {server.make_url("")}}}}}]
users: [{{name: test, user: {{token: {SERVICE}-token}}}}]
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
"""
    )
    return await open_store(connection=KubeConnection(str(kubeconfig)))


@pytest.mark.parametrize("fault", [cut, answer(429), answer(500), answer(503, retry_after=1)])
async def test_a_call_that_failed_in_a_way_that_may_pass_is_repeated(
    store: KubernetesStore, proxy: Proxy, tool: str, fault: object
) -> None:
    proxy.faults = [fault]  # type: ignore[list-item]
    await store.create(tool, KIND, "one", DATA)
    assert (await store.get(tool, KIND, "one")).data == DATA
    assert [method for method, _ in proxy.seen] == ["POST", "POST", "GET"]


async def test_a_creation_whose_answer_was_lost_has_created(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    proxy.faults = [lose_answer]
    created = await store.create(tool, KIND, "one", DATA, DocumentState.OPEN)
    assert created == await store.get(tool, KIND, "one")
    assert (created.data, created.state) == (DATA, DocumentState.OPEN)


async def test_a_creation_that_finds_another_document_has_not_created(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    await store.create(tool, KIND, "one", {"another": 1})
    proxy.faults = [cut]
    with pytest.raises(AlreadyExists):
        await store.create(tool, KIND, "one", DATA)
    assert (await store.get(tool, KIND, "one")).data == {"another": 1}


async def test_a_replacement_whose_answer_was_lost_has_replaced(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    document = await store.create(tool, KIND, "one", DATA)
    proxy.faults = [lose_answer]
    replaced = await store.replace(document, {"new": 1}, DocumentState.OPEN)
    assert replaced == await store.get(tool, KIND, "one")
    assert replaced.version != document.version


async def test_a_replacement_that_was_lost_and_overtaken_is_a_conflict(
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


async def test_a_conditional_deletion_whose_answer_was_lost_has_deleted(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    document = await store.create(tool, KIND, "one", DATA)
    proxy.faults = [lose_answer]
    await store.delete(tool, KIND, "one", document.version)
    with pytest.raises(NotFound):
        await store.get(tool, KIND, "one")


async def test_a_list_whose_token_expires_half_way_is_whole_all_the_same(
    store: KubernetesStore, proxy: Proxy, open_store: OpenStore, tool: str
) -> None:
    for n in range(7):
        await store.create(tool, KIND, f"d{n}", {"n": n})
    paged = await open_store(connection=store._kube, page=3)
    proxy.faults = [None, answer(410, reason="Expired", kind="Status")]
    listing = await paged.list(tool, KIND)
    assert sorted(each.name for each in listing.documents) == [f"d{n}" for n in range(7)]


async def test_open_documents_are_found_after_etcd_was_restored_to_an_older_state(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    document = await store.create(tool, KIND, "one", DATA, DocumentState.OPEN)
    cause = {"causes": [{"reason": "ResourceVersionTooLarge"}]}
    proxy.faults = [answer(504, reason="Timeout", kind="Status", details=cause)]
    assert document in (await store.list_open(KIND)).documents
    assert f"resourceVersion={document.version}" in proxy.seen[-2][1]
    assert "resourceVersion" not in proxy.seen[-1][1]


async def test_a_server_that_only_fails_is_unavailable_within_ten_seconds(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    proxy.faults = [answer(500, message="etcdserver: leader changed")] * 1000
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable, match="does not answer, or not now"):
        await store.get(tool, KIND, "one")
    assert asyncio.get_running_loop().time() - began < 11
    assert len(proxy.seen) > 3


async def test_a_client_that_the_server_does_not_know_is_not_repeated(
    store: KubernetesStore, proxy: Proxy, tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.faults = [answer(401, message="Unauthorized")]
    with pytest.raises(Unavailable, match="does not let this service in"):
        await store.get(tool, KIND, "one")
    assert len(proxy.seen) == 1
    assert "Unauthorized" in caplog.text
    assert PREFIX


async def test_a_list_that_always_expires_is_unavailable(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    proxy.faults = [answer(410, reason="Expired", kind="Status")] * 10
    with pytest.raises(Unavailable):
        await store.list(tool, KIND)
    assert len(proxy.seen) == 2


async def test_a_creation_that_meets_others_at_the_quota_is_worth_another_try(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    message = "Operation cannot be fulfilled on resourcequotas: the object has been modified"
    proxy.faults = [answer(409, reason="Conflict", message=message)]
    with pytest.raises(Unavailable):
        await store.create(tool, KIND, "one", DATA)


async def test_a_rejection_that_speaks_of_immutable_is_not_taken_for_sealed(
    store: KubernetesStore, proxy: Proxy, tool: str
) -> None:
    message = 'secrets "immutable-1" is forbidden: exceeded quota: few'
    proxy.faults = [answer(403, message=message)]
    with pytest.raises(Rejected, match="exceeded quota"):
        await store.create(tool, KIND, "one", DATA)


async def test_a_refusal_to_be_read_is_not_passed_on(
    store: KubernetesStore, proxy: Proxy, tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.faults = [answer(403, message="10.1.2.3 is forbidden by policy")]
    with pytest.raises(Unavailable) as caught:
        await store.get(tool, KIND, "one")
    assert "10.1.2.3" not in str(caught.value)
    assert "10.1.2.3" in caplog.text
