"""The Kubernetes store fulfils the contract of all stores, as the service's user."""

import asyncio
import base64
import json

import pytest
from kubernetes_asyncio import client

from backends.stores.base import Corrupt, DocumentState, NotFound, OverQuota, Sealed, Store
from backends.stores.kubernetes import KubernetesStore
from tests.cluster.apiserver import ADMINISTRATOR, TOOL_USERS
from tests.cluster.conftest import PREFIX, OpenStore, Requests
from tests.cluster.objects import apply
from tests.stores.contract import DATA, KIND, StoreContract


class TestKubernetesStore(StoreContract):
    @pytest.fixture
    async def store(self, open_store: OpenStore) -> Store:
        return await open_store()


@pytest.fixture
async def store(open_store: OpenStore) -> KubernetesStore:
    return await open_store()


@pytest.fixture
def tool(tools: tuple[str, str]) -> str:
    return tools[0]


async def test_a_document_is_one_readable_secret(
    store: KubernetesStore, tool: str, admin: client.ApiClient
) -> None:
    await store.create(tool, KIND, "one", DATA, DocumentState.OPEN)
    secret = await client.CoreV1Api(admin).read_namespaced_secret("one", PREFIX + tool)
    assert secret.type == "components-api/deployment"
    assert secret.metadata.labels == {
        "app.kubernetes.io/managed-by": "components-api",
        "components-api/kind": "deployment",
        "components-api/open": "true",
    }
    (text,) = secret.data.values()
    assert base64.b64decode(text).decode() == json.dumps(DATA, ensure_ascii=False)


async def test_the_configuration_is_the_secret_components_config(
    store: KubernetesStore, tool: str, admin: client.ApiClient
) -> None:
    await store.create(tool, "config", "config", DATA)
    secret = await client.CoreV1Api(admin).read_namespaced_secret(
        "components-config", PREFIX + tool
    )
    assert secret.type == "components-api/config"
    assert not secret.immutable


async def test_a_sealed_document_is_immutable_and_no_longer_labelled_open(
    store: KubernetesStore, tool: str, admin: client.ApiClient
) -> None:
    document = await store.create(tool, KIND, "one", DATA, DocumentState.OPEN)
    await store.replace(document, DATA, DocumentState.SEALED)
    secret = await client.CoreV1Api(admin).read_namespaced_secret("one", PREFIX + tool)
    assert secret.immutable
    assert "components-api/open" not in secret.metadata.labels


async def test_the_server_itself_rejects_changes_of_a_sealed_document(
    store: KubernetesStore, tool: str
) -> None:
    sealed = await store.create(tool, KIND, "one", DATA, DocumentState.SEALED)
    # Read without the knowledge that it is sealed.
    object.__setattr__(sealed, "state", DocumentState.OPEN)
    with pytest.raises(Sealed):
        await store.replace(sealed, {"new": 1}, DocumentState.OPEN)


async def test_each_operation_makes_one_call(
    store: KubernetesStore, tool: str, requests: Requests
) -> None:
    document = await store.create(tool, KIND, "one", DATA)
    assert requests.since() == ["create"]
    await store.get(tool, KIND, "one")
    assert requests.since() == ["get"]
    document = await store.replace(document, {"new": 1}, DocumentState.OPEN)
    assert requests.since() == ["update"]
    await store.list(tool, KIND)
    assert requests.since() == ["list"]
    await store.list_open(KIND)
    assert requests.since() == ["list"]
    await store.now()
    assert requests.since() == []
    await store.delete(tool, KIND, "one", document.version)
    assert requests.since() == ["delete"]


async def test_the_clock_makes_a_call_only_before_any_other(
    store: KubernetesStore, requests: Requests
) -> None:
    await store.now()
    await store.now()
    assert len(requests.since()) == 1


async def test_a_long_list_comes_in_pages(
    open_store: OpenStore, tool: str, requests: Requests
) -> None:
    store = await open_store(page=3)
    for n in range(7):
        await store.create(tool, KIND, f"d{n}", {"n": n})
    requests.since()
    listing = await store.list(tool, KIND)
    assert sorted(each.name for each in listing.documents) == [f"d{n}" for n in range(7)]
    assert requests.since() == ["list"] * 3


async def test_a_list_with_limited_permissions_lists_each_namespace(
    open_store: OpenStore, tools: tuple[str, str]
) -> None:
    store = await open_store(namespaces=[PREFIX + tool for tool in tools])
    for tool in tools:
        await store.create(tool, KIND, f"one-{tool}", DATA, DocumentState.OPEN)
    found = (await store.list_open(KIND)).documents
    assert {each.tool for each in found} == set(tools)


async def test_a_tool_without_a_namespace_is_only_an_error_on_create(
    store: KubernetesStore,
) -> None:
    with pytest.raises(NotFound):
        await store.create("nobody", KIND, "one", DATA)
    with pytest.raises(NotFound):
        await store.get("nobody", KIND, "one")
    assert (await store.list("nobody", KIND)).documents == ()


async def test_a_terminating_namespace_belongs_to_no_tool(
    store: KubernetesStore, tool: str, admin: client.ApiClient
) -> None:
    await client.CoreV1Api(admin).delete_namespace(PREFIX + tool)
    with pytest.raises(NotFound):
        await store.create(tool, KIND, "one", DATA)


async def test_a_quota_is_reported_with_the_servers_message(
    store: KubernetesStore, tool: str, admin: client.ApiClient
) -> None:
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"secrets": "0"}}}
    path = f"/api/v1/namespaces/{PREFIX}{tool}/resourcequotas"
    await apply(admin, path, quota)
    # As written by a controller.
    status = {"hard": {"secrets": "0"}, "used": {"secrets": "0"}}
    await apply(admin, f"{path}/few/status", {**quota, "status": status}, method="PUT")
    with pytest.raises(OverQuota, match="exceeded quota: few"):
        await store.create(tool, KIND, "one", DATA)


@pytest.mark.parametrize(
    ("secret", "reason", "labelled"),
    [
        ({"type": "Opaque"}, "was not created by this service", True),
        ({"type": "components-api/deployment"}, "was not created by this service", False),
        ({"data": {}}, "does not hold a JSON object", True),
        (
            {"data": {"document": base64.b64encode(b"[]").decode()}},
            "does not hold a JSON object",
            True,
        ),
        (
            {"data": {"document": base64.b64encode(b"{").decode()}},
            "does not hold a JSON object",
            True,
        ),
    ],
)
async def test_a_secret_of_another_writer_is_named_and_never_overwritten(
    store: KubernetesStore,
    tool: str,
    admin: client.ApiClient,
    secret: dict[str, object],
    reason: str,
    labelled: bool,
) -> None:
    await store.create(tool, KIND, "good", DATA)
    labels = {"app.kubernetes.io/managed-by": "components-api", "components-api/kind": KIND}
    metadata = {"name": "bad", "labels": labels if labelled else {}}
    body = {"type": f"components-api/{KIND}", **secret, "metadata": metadata}
    await apply(admin, f"/api/v1/namespaces/{PREFIX}{tool}/secrets", body)
    with pytest.raises(Corrupt, match=f"Secret 'bad' in '{PREFIX}{tool}' {reason}"):
        await store.get(tool, KIND, "bad")
    listing = await store.list(tool, KIND)
    assert [each.name for each in listing.documents] == ["good"]
    assert [each.name for each in listing.corrupt] == (["bad"] if labelled else [])


async def test_one_of_fifty_concurrent_replacements_succeeds(
    open_store: OpenStore, tool: str
) -> None:
    stores = [await open_store() for _ in range(5)]
    document = await stores[0].create(tool, KIND, "one", {"by": None})
    outcomes = await asyncio.gather(
        *(stores[n % 5].replace(document, {"by": n}, DocumentState.PLAIN) for n in range(50)),
        return_exceptions=True,
    )
    winners = [each for each in outcomes if not isinstance(each, BaseException)]
    assert len(winners) == 1
    assert sum(type(each).__name__ == "Conflict" for each in outcomes) == 49
    assert await stores[1].get(tool, KIND, "one") == winners[0]


async def test_a_missing_permission_is_logged_and_not_sent_to_the_client(
    open_store: OpenStore, tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = await open_store(TOOL_USERS[0])
    with pytest.raises(Exception, match="denies access to this service") as caught:
        await store.create(tool, KIND, "one", DATA)
    assert type(caught.value).__name__ == "Unavailable"
    assert "missing permission: create secrets" in caplog.text


async def test_the_administrator_sees_the_documents_of_the_service(
    open_store: OpenStore, store: KubernetesStore, tool: str
) -> None:
    document = await store.create(tool, KIND, "one", DATA)
    assert await (await open_store(ADMINISTRATOR)).get(tool, KIND, "one") == document
