"""The permissions of the chart: all that the service needs, and nothing else."""

import asyncio
from contextlib import suppress

import pytest
from kubernetes_asyncio import client

from backends.stores.base import Store, Unavailable
from helm.check import rendered
from tests.cluster.apiserver import SERVICE, TOOL_USERS
from tests.cluster.conftest import PREFIX, RBAC, OpenStore
from tests.cluster.objects import apply
from tests.stores.contract import DATA, KIND

VERBS = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "escalate",
    "impersonate",
]
RESOURCES = [
    ("", "secrets"),
    ("", "configmaps"),
    ("", "pods"),
    ("", "pods/exec"),
    ("", "serviceaccounts"),
    ("", "serviceaccounts/token"),
    ("", "namespaces"),
    ("", "nodes"),
    ("", "events"),
    ("", "users"),
    ("apps", "deployments"),
    ("batch", "jobs"),
    ("coordination.k8s.io", "leases"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
]


async def may(admin: client.ApiClient, verb: str, group: str, resource: str) -> bool:
    """Whether the service's user is authorized for this in a tool's namespace."""
    name, _, subresource = resource.partition("/")
    attributes = client.V1ResourceAttributes(
        namespace="tool-any", verb=verb, group=group, resource=name, subresource=subresource
    )
    review = client.V1SubjectAccessReview(
        spec=client.V1SubjectAccessReviewSpec(
            user=SERVICE, groups=["system:authenticated"], resource_attributes=attributes
        )
    )
    answer = await client.AuthorizationV1Api(admin).create_subject_access_review(review)
    return bool(answer.status.allowed)


@pytest.fixture
async def only_rights(service_rights: None, admin: client.ApiClient) -> None:
    """The chart's rights without a runner: those that other tests have bound are taken away."""
    usual = [each["metadata"]["name"] for each in rendered({}, "ClusterRoleBinding")]
    for each in rendered({"settings": {"runner": "kubernetes"}}, "ClusterRoleBinding"):
        if (name := each["metadata"]["name"]) not in usual:
            with suppress(client.ApiException):  # it is not there
                await client.RbacAuthorizationV1Api(admin).delete_cluster_role_binding(name)
    async with asyncio.timeout(30):
        while await may(admin, "patch", "apps", "deployments"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # there is no event to wait for


@pytest.mark.usefixtures("only_rights")
async def test_the_service_has_five_verbs_on_secrets_and_nothing_else(
    admin: client.ApiClient,
) -> None:
    allowed = {
        (resource, verb)
        for group, resource in RESOURCES
        for verb in VERBS
        if await may(admin, verb, group, resource)
    }
    assert allowed == {("secrets", verb) for verb in ("get", "list", "create", "update", "delete")}


@pytest.fixture
async def readable(admin: client.ApiClient, tools: tuple[str, str]) -> None:
    """The permission that a platform gives its tools: to read the Secrets in their namespace."""
    for tool, user in zip(tools, TOOL_USERS, strict=True):
        path = f"{RBAC}/namespaces/{PREFIX}{tool}"
        rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]
        await apply(admin, f"{path}/roles", {"metadata": {"name": "reader"}, "rules": rules})
        binding = {
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": RBAC.split("/")[2], "kind": "Role", "name": "reader"},
            "subjects": [{"apiGroup": RBAC.split("/")[2], "kind": "User", "name": user}],
        }
        await apply(admin, f"{path}/rolebindings", binding)


@pytest.mark.usefixtures("readable")
async def test_a_tool_can_read_and_not_change_its_own_documents(
    open_store: OpenStore, tools: tuple[str, str]
) -> None:
    service: Store = await open_store()
    document = await service.create(tools[0], KIND, "one", DATA)
    alpha: Store = await open_store(TOOL_USERS[0])
    assert await alpha.get(tools[0], KIND, "one") == document
    assert (await alpha.list(tools[0], KIND)).documents == (document,)
    with pytest.raises(Unavailable):
        await alpha.replace(document, {"new": 1}, document.state)
    with pytest.raises(Unavailable):
        await alpha.delete(tools[0], KIND, "one")
    with pytest.raises(Unavailable):
        await alpha.create(tools[0], KIND, "two", DATA)


@pytest.mark.usefixtures("readable")
async def test_a_tool_cannot_read_the_documents_of_another(
    open_store: OpenStore, tools: tuple[str, str]
) -> None:
    service = await open_store()
    await service.create(tools[0], KIND, "one", DATA)
    beta = await open_store(TOOL_USERS[1])
    with pytest.raises(Unavailable):
        await beta.get(tools[0], KIND, "one")
    with pytest.raises(Unavailable):
        await beta.list(tools[0], KIND)
