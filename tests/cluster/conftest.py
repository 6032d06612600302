"""A real API server for these tests: started from `KUBEBUILDER_ASSETS`, or the one in `KUBECONFIG`.

The rights of the service are those that the chart gives it; tests act as its user.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from aiohttp import web
from kubernetes_asyncio import client, config
from pytest_aiohttp.plugin import AiohttpServer

from backends.kube.connection import KubeConnection
from backends.members.base import Members
from backends.stores.kubernetes import KubernetesStore
from helm.check import rendered
from tests.cluster.apiserver import ADMINISTRATOR, SERVICE, ApiServer
from tests.cluster.installation import Installation, installed
from tests.cluster.proxy import Proxy
from tests.kube.fake_api_server import write_kubeconfig

PREFIX = "tool-"
OpenStore: TypeAlias = Callable[..., Awaitable[KubernetesStore]]


@dataclass(frozen=True)
class Cluster:
    """Where the API server is, and how each user speaks to it."""

    kubeconfig: Callable[[str], Path]
    server: ApiServer | None = None


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if os.environ.get("COMPONENTS_TEST_CLUSTER") == "1":
        own = Path(os.environ["KUBECONFIG"])
        yield Cluster(lambda user: own)
        return
    assert assets, "KUBEBUILDER_ASSETS must name a directory with etcd and kube-apiserver"
    server = ApiServer(Path(assets), tmp_path_factory.mktemp("cluster"))
    try:
        server.start()
        yield Cluster(server.kubeconfig, server)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def cluster_server(cluster: Cluster) -> ApiServer:
    """The API server, where it is one of our own."""
    if cluster.server is None:
        pytest.skip("this needs a cluster that the tests start themselves")
    return cluster.server


@pytest.fixture(scope="module")
def installation(cluster_server: ApiServer) -> Iterator[Installation]:
    """The chart, for the tests of one module."""
    loop = asyncio.new_event_loop()  # none that pytest would take for its own
    context = installed(cluster_server)
    try:
        yield loop.run_until_complete(context.__aenter__())
        loop.run_until_complete(context.__aexit__(None, None, None))
    finally:
        loop.close()


@pytest.fixture
async def admin(cluster: Cluster) -> AsyncIterator[client.ApiClient]:
    """A client of the administrator, with whom tests prepare what they need."""
    configuration = client.Configuration()
    await config.load_kube_config(
        str(cluster.kubeconfig(ADMINISTRATOR)), client_configuration=configuration
    )
    async with client.ApiClient(configuration) as api:
        yield api


async def apply(
    admin: client.ApiClient, path: str, body: dict[str, Any], method: str = "POST"
) -> None:
    """Create an object, or leave the one that is there; with PUT, replace it."""
    try:
        await admin.call_api(path, method, body=body, auth_settings=["BearerToken"])
    except client.ApiException as error:
        if error.status != 409:
            raise


RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture
async def service_rights(cluster: Cluster, admin: client.ApiClient) -> None:
    """The chart's own ClusterRole, bound to the user that tests act as."""
    (role,) = rendered({}, "ClusterRole")
    (binding,) = rendered({}, "ClusterRoleBinding")
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": SERVICE}
    await apply(admin, f"{RBAC}/clusterroles", role)
    await apply(admin, f"{RBAC}/clusterrolebindings", {**binding, "subjects": [user]})


@pytest.fixture
async def tools(admin: client.ApiClient) -> AsyncIterator[tuple[str, str]]:
    """Two tools with namespaces that no other test has seen."""
    core = client.CoreV1Api(admin)
    names = tuple(f"{each}-{uuid4().hex[:8]}" for each in ("alpha", "beta"))
    for name in names:
        await apply(admin, "/api/v1/namespaces", {"metadata": {"name": PREFIX + name}})
    yield (names[0], names[1])
    # There is no controller that would empty a namespace that is deleted.
    for name in names:
        await core.delete_collection_namespaced_secret(PREFIX + name)


@pytest.fixture
async def open_store(cluster: Cluster, service_rights: None) -> AsyncIterator[OpenStore]:
    """Open a store as a user; all are closed at the end."""
    stores: list[KubernetesStore] = []

    async def open_(
        user: str = SERVICE, connection: KubeConnection | None = None, **options: Any
    ) -> KubernetesStore:
        if cluster.server is None and user not in (SERVICE, ADMINISTRATOR):
            pytest.skip("only an API server of our own has a user for each tool")
        connection = connection or KubeConnection(str(cluster.kubeconfig(user)))
        store = KubernetesStore(connection, PREFIX, **options)
        await store.open()
        stores.append(store)
        return store

    yield open_
    for each in stores:
        await each.close()


@pytest.fixture
async def proxy(cluster: Cluster) -> Proxy:
    """What happens between the service and the API server, for a test to say."""
    if cluster.server is None:
        pytest.skip("only an API server of our own can be put behind a proxy")
    return Proxy(cluster.server.url)


@pytest.fixture
async def proxied(proxy: Proxy, aiohttp_server: AiohttpServer, tmp_path: Path) -> Path:
    """A kubeconfig with which the service reaches the API server through the proxy."""
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    url = (await aiohttp_server(app)).make_url("")
    user = {"token": f"{SERVICE}-token"}
    return Path(write_kubeconfig(tmp_path / "kubeconfig", url, user))


class Idle(Members):
    """For an instance that does only what it is asked: whatever is to be done is another's."""

    def live(self) -> frozenset[str]:
        return frozenset({"another"})

    async def close(self) -> None:
        pass


class Requests:
    """The requests that the API server has answered for the service, from its audit log."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read_to = 0
        self.since()

    def since(self) -> list[str]:
        """Return the verbs of the requests since the last time."""
        return [each["verb"] for each in self._events()]

    def since_of_tools(self) -> list[str]:
        """Return those in namespaces only: the background loop looks over all by itself."""
        return [
            each["verb"] for each in self._events() if each.get("objectRef", {}).get("namespace")
        ]

    def _events(self) -> list[dict[str, Any]]:
        with self._log.open() as log:
            log.seek(self._read_to)
            lines = log.readlines()
            self._read_to = log.tell()
        return [json.loads(line) for line in lines]


@pytest.fixture
def requests(cluster: Cluster) -> Requests:
    if cluster.server is None:
        pytest.skip("only an API server of our own tells its requests")
    log = cluster.server.directory / "audit.log"
    log.touch()
    return Requests(log)
