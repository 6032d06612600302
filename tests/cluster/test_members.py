"""Members as Leases on a real API server, with the permissions of the chart."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from aiohttp import web
from environs import Env, EnvError
from kubernetes_asyncio import client

from backends.kube.connection import KubeConnection
from backends.members.base import Members
from backends.members.kubernetes import KubernetesMembers
from helm.check import rendered
from tests.cluster.apiserver import SERVICE
from tests.cluster.conftest import RBAC, Cluster
from tests.cluster.objects import apply
from tests.cluster.proxy import Proxy, answer, html
from tests.members.contract import MembersContract

Join: TypeAlias = Callable[..., Awaitable[KubernetesMembers]]
QUICK: dict[str, Any] = {"renew": 0.1, "live": 1.0, "remove_after": 2.0}


@pytest.fixture
async def namespace(admin: client.ApiClient) -> str:
    """The service's own namespace, with the chart's permissions."""
    name = f"components-{uuid4().hex[:8]}"
    await apply(admin, "/api/v1/namespaces", {"metadata": {"name": name}})
    values = {"settings": {"membersNamespace": name}}
    (role,) = rendered(values, "Role")
    (binding,) = rendered(values, "RoleBinding")
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": SERVICE}
    await apply(admin, f"{RBAC}/namespaces/{name}/roles", role)
    binding = {**binding, "subjects": [user]}
    await apply(admin, f"{RBAC}/namespaces/{name}/rolebindings", binding)
    return name


@pytest.fixture
async def join(cluster: Cluster, namespace: str) -> AsyncIterator[Join]:
    """Let an instance join; all leave at the end."""
    joined: list[KubernetesMembers] = []

    async def another(kubeconfig: Path | None = None, **options: Any) -> KubernetesMembers:
        connection = KubeConnection(str(kubeconfig or cluster.kubeconfig(SERVICE)))
        members = KubernetesMembers(connection, namespace, **{**QUICK, **options})
        await members.open()
        joined.append(members)
        return members

    yield another
    for each in joined:
        await each.close()


async def until(members: KubernetesMembers, *names: str) -> None:
    """Return once exactly these are live."""
    async with asyncio.timeout(15):
        while members.live() != set(names):
            await members.refreshed()


class TestKubernetesMembers(MembersContract):
    @pytest.fixture
    async def members(self, join: Join) -> Members:
        return await join()

    def another(self) -> Members:
        return KubernetesMembers(KubeConnection(), "components")


async def test_each_member_sees_the_others(join: Join) -> None:
    one, two, three = await join(), await join(), await join()
    for each in (one, two, three):
        await until(each, one.own, two.own, three.own)


async def test_a_member_that_leaves_is_removed_at_once(join: Join) -> None:
    one, two = await join(live=60.0), await join(live=60.0)
    await until(one, one.own, two.own)
    await two.close()
    await until(one, one.own)


async def test_a_member_that_dies_is_removed_once_its_lease_stops_changing(join: Join) -> None:
    one, two = await join(), await join(renew=600.0)
    await until(one, one.own, two.own)
    await until(one, one.own)


async def test_the_time_in_a_lease_is_ignored(
    join: Join, admin: client.ApiClient, namespace: str
) -> None:
    one, two = await join(live=60.0), await join(live=60.0)
    api = client.CoordinationV1Api(admin)
    lease = await api.read_namespaced_lease(two.own, namespace)
    lease.spec.renew_time = lease.spec.renew_time.replace(year=2020)
    await api.replace_namespaced_lease(two.own, namespace, lease)
    await one.refreshed()
    await until(one, one.own, two.own)


async def test_a_deleted_lease_is_created_again(
    join: Join, admin: client.ApiClient, namespace: str
) -> None:
    one, two = await join(), await join()
    await until(one, one.own, two.own)
    await client.CoordinationV1Api(admin).delete_namespaced_lease(two.own, namespace)
    await two.refreshed()
    await two.refreshed()
    await until(one, one.own, two.own)


async def test_the_lease_of_a_dead_member_is_deleted(
    join: Join, admin: client.ApiClient, namespace: str
) -> None:
    one, dead = await join(), await join(renew=600.0)
    api = client.CoordinationV1Api(admin)
    async with asyncio.timeout(15):
        while dead.own in {
            each.metadata.name for each in (await api.list_namespaced_lease(namespace)).items
        }:
            await one.refreshed()
    assert one.own in one.live()


async def test_without_the_api_server_this_member_stays_live(join: Join, cluster: Cluster) -> None:
    if cluster.server is None:
        pytest.skip("this needs an API server that the tests start and can stop")
    one = await join()
    cluster.server.signal(signal.SIGSTOP)
    try:
        await one.refreshed()
        assert one.live() == {one.own}
    finally:
        cluster.server.signal(signal.SIGCONT)
    await one.refreshed()
    await until(one, one.own)


async def refuse(proxy: Proxy, request: web.Request) -> web.StreamResponse:
    """Respond with an error to requests for Leases."""
    errors_of: web.StreamResponse = await answer(403, message="no")(proxy, request)
    return errors_of


async def test_known_members_stay_live_while_the_leases_cannot_be_listed(
    join: Join, proxy: Proxy, proxied: Path
) -> None:
    one, two = await join(proxied, live=0.5), await join(live=0.5)
    await until(one, one.own, two.own)
    proxy.faults = [refuse] * 100_000
    await one.refreshed()
    await two.close()
    for _ in range(20):
        await one.refreshed()
        assert one.live() == {one.own, two.own}
    proxy.faults = []
    await until(one, one.own)


async def test_no_member_is_considered_dead_after_an_outage(
    join: Join, proxy: Proxy, proxied: Path
) -> None:
    one, two = await join(proxied, live=2.0), await join(proxied, renew=0.8)
    await until(one, one.own, two.own)
    proxy.faults = [refuse] * 100_000
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(3.0, passed.set)
    await passed.wait()
    proxy.faults = []
    for _ in range(20):
        await one.refreshed()
        assert one.live() == {one.own, two.own}


async def test_after_a_long_outage_only_this_member_is_live(
    join: Join, proxy: Proxy, proxied: Path
) -> None:
    one, two = await join(proxied, stale_after=2.0), await join()
    await until(one, one.own, two.own)
    proxy.faults = [refuse] * 100_000
    await until(one, one.own)
    proxy.faults = []
    await until(one, one.own, two.own)


async def test_an_invalid_response_does_not_end_the_renewal(
    join: Join, proxy: Proxy, proxied: Path
) -> None:
    one, two = await join(proxied), await join()
    proxy.faults = [html(200)] * 4
    while proxy.faults:
        await one.refreshed()
    await one.refreshed()
    await until(two, one.own, two.own)
    await until(one, one.own, two.own)


async def test_outside_of_a_pod_the_namespace_is_required(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(SERVICE)))
    members = KubernetesMembers.from_env(Env(prefix="COMPONENTS_"))
    assert not Path("/var/run/secrets/kubernetes.io").exists()
    with pytest.raises(EnvError, match="COMPONENTS_MEMBERS_NAMESPACE is required outside"):
        await members.open()
