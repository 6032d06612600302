"""What a tool with all permissions on the Secrets of its namespace may do to the service's."""

from typing import Any

import pytest

from backends.kube.connection import KubeConnection
from backends.stores.base import Document, DocumentState, NotFound
from backends.stores.kubernetes import KubernetesStore
from backends.stores.secret_documents import KIND as KIND_LABEL
from backends.stores.secret_documents import MANAGED_BY, MANAGER, secret_name, secret_of
from tests.cluster.apiserver import ApiServer
from tests.cluster.conftest import PREFIX
from tests.cluster.installation import (
    APPLY,
    MERGE,
    POLICIES,
    Installation,
    Json,
    make_tool,
)
from tests.stores.contract import DATA, KIND

pytestmark = pytest.mark.timeout(180)

NAME = secret_name(KIND, "one")
OURS = {"labels": {MANAGED_BY: MANAGER, KIND_LABEL: KIND}}


@pytest.fixture
async def store(cluster_server: ApiServer, installation: Installation) -> Any:
    """The service's store, with the account of the chart."""
    kubeconfig = cluster_server.kubeconfig("account", installation.account_token)
    store = KubernetesStore(KubeConnection(str(kubeconfig)), PREFIX)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def document(store: KubernetesStore, installation: Installation) -> Any:
    document = await store.create(installation.tool, KIND, "one", DATA)
    yield document
    await store.delete(installation.tool, KIND, "one")


async def own_secret(installation: Installation, name: str, **metadata: Any) -> None:
    """Create a Secret of the tool's own, as the tool."""
    status, answer = await installation.user.call(
        "POST", installation.secrets, {"metadata": {"name": name, **metadata}}
    )
    assert status == 201, answer


def is_denied(answer: tuple[int, Json]) -> bool:
    """Whether the policy has denied it, and not another authorizer."""
    return answer[0] == 403 and "belongs to the components API" in answer[1]["message"]


CHANGES: dict[str, tuple[str, Json]] = {
    "change its data": (MERGE, {"data": {"document": "e30="}}),
    "put a label on it": (MERGE, {"metadata": {"labels": {"mine": "yes"}}}),
    "relabel it": (MERGE, {"metadata": {"labels": {MANAGED_BY: "mine"}}}),
    "take its label off": (MERGE, {"metadata": {"labels": {MANAGED_BY: None}}}),
    "annotate it": (MERGE, {"metadata": {"annotations": {"mine": "yes"}}}),
    "seal it": (MERGE, {"immutable": True}),
    "own it": (APPLY, {"apiVersion": "v1", "kind": "Secret", "stringData": {"mine": "yes"}}),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_tool_cannot_change_a_secret_of_the_service(
    installation: Installation, store: KubernetesStore, document: Document, change: str
) -> None:
    content_type, body = CHANGES[change]
    query = {"fieldManager": "tool", "force": "true"} if content_type == APPLY else {}
    path = f"{installation.secrets}/{NAME}"
    assert is_denied(await installation.user.call("PATCH", path, body, content_type, **query))
    assert await store.get(installation.tool, KIND, "one") == document


async def test_a_tool_cannot_replace_it(
    installation: Installation, store: KubernetesStore, document: Document
) -> None:
    path = f"{installation.secrets}/{NAME}"
    _, found = await installation.user.call("GET", path)
    assert is_denied(await installation.user.call("PUT", path, found | {"data": {}}))
    assert await store.get(installation.tool, KIND, "one") == document


async def test_a_tool_cannot_delete_it(
    installation: Installation, store: KubernetesStore, document: Document
) -> None:
    assert is_denied(await installation.user.call("DELETE", f"{installation.secrets}/{NAME}"))
    assert await store.get(installation.tool, KIND, "one") == document


@pytest.mark.parametrize("selector", ["", f"{MANAGED_BY}={MANAGER}"])
async def test_a_tool_that_deletes_all_secrets_cannot_delete_it(
    installation: Installation, store: KubernetesStore, document: Document, selector: str
) -> None:
    answer = await installation.user.call("DELETE", installation.secrets, labelSelector=selector)
    assert is_denied(answer)
    assert await store.get(installation.tool, KIND, "one") == document


async def test_a_tool_cannot_create_a_secret_with_the_services_label(
    installation: Installation, store: KubernetesStore
) -> None:
    forged = secret_of(KIND, "forged", DATA, DocumentState.OPEN)
    assert is_denied(await installation.user.call("POST", installation.secrets, forged))
    with pytest.raises(NotFound):
        await store.get(installation.tool, KIND, "forged")


async def test_a_tool_cannot_add_the_services_label_to_its_own_secret(
    installation: Installation,
) -> None:
    await own_secret(installation, "disguised")
    path = f"{installation.secrets}/disguised"
    assert is_denied(await installation.user.call("PATCH", path, {"metadata": OURS}, MERGE))


async def test_a_tool_can_change_its_own_secrets(
    installation: Installation, document: Document
) -> None:
    await own_secret(installation, "own", labels={"mine": "yes", MANAGED_BY: "me"})
    path = f"{installation.secrets}/own"
    relabelled = {"metadata": {"labels": {MANAGED_BY: "you"}}, "stringData": {"key": "value"}}
    status, _ = await installation.user.call("PATCH", path, relabelled, MERGE)
    assert status == 200
    status, _ = await installation.user.call(
        "DELETE", installation.secrets, labelSelector="mine=yes"
    )
    assert status == 200
    assert (await installation.user.call("GET", path))[0] == 404


@pytest.mark.usefixtures("controllers")
async def test_a_namespace_can_be_deleted_with_its_secrets(
    installation: Installation, store: KubernetesStore
) -> None:
    tool = await make_tool(installation.admin)
    await store.create(tool, KIND, "one", DATA)
    namespaces, name = "/api/v1/namespaces", f"{PREFIX}{tool}"
    await installation.admin.call("DELETE", f"{namespaces}/{name}")
    await installation.admin.until(
        namespaces,
        lambda event: event["type"] == "DELETED",
        fieldSelector=f"metadata.name={name}",
        resourceVersion="0",
    )


@pytest.mark.usefixtures("controllers")
async def test_the_server_accepts_the_expressions(
    installation: Installation,
) -> None:
    event = await installation.admin.until(
        POLICIES, lambda event: "typeChecking" in event["object"].get("status", {})
    )
    assert event["object"]["status"]["typeChecking"] == {}
