"""A real API server for these tests: from `KUBEBUILDER_ASSETS`, or the one in `KUBECONFIG`.

The service has the permissions of the chart; tests act as its user.
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
from backends.runners.kubernetes.runner import KubernetesRunner
from backends.stores.kubernetes import KubernetesStore
from helm.check import rendered
from tests.cluster.apiserver import ADMINISTRATOR, SERVICE, ApiServer
from tests.cluster.ground import Ground, ground
from tests.cluster.installation import Installation, installed
from tests.cluster.objects import apply
from tests.cluster.proxy import Proxy
from tests.cluster.runner import TEMPLATE, OpenRunner, runner_on
from tests.kube.fake_api_server import write_kubeconfig

PREFIX = "tool-"
OpenStore: TypeAlias = Callable[..., Awaitable[KubernetesStore]]


@dataclass(frozen=True)
class Cluster:
    """The address of the API server, and a kubeconfig for each user."""

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
    """The API server, if the tests have started it."""
    if cluster.server is None:
        pytest.skip("this needs a cluster that the tests start themselves")
    return cluster.server


def _started(server: ApiServer, program: str, start: Callable[[], None]) -> Iterator[None]:
    if not server.has(program):
        pytest.skip(f"there is no {program} among these programs")
    start()
    yield
    server.end(program)


@pytest.fixture(scope="module")
def controllers(cluster_server: ApiServer) -> Iterator[None]:
    """What acts on objects."""
    yield from _started(cluster_server, "kube-controller-manager", cluster_server.start_controllers)


@pytest.fixture(scope="module")
def moving(cluster_server: ApiServer, controllers: None) -> Iterator[None]:
    """What acts on objects, and what says of Pods how they do; `scheduling` gives them a Node."""
    yield from _started(cluster_server, "kwok", cluster_server.start_kubelets)


@pytest.fixture(scope="module")
def installation(cluster_server: ApiServer) -> Iterator[Installation]:
    """The installed chart, for the tests of one module."""
    loop = asyncio.new_event_loop()  # without the variables that pytest would apply to itself
    context = installed(cluster_server)
    try:
        yield loop.run_until_complete(context.__aenter__())
        loop.run_until_complete(context.__aexit__(None, None, None))
    finally:
        loop.close()


@pytest.fixture
async def world(
    cluster_server: ApiServer, moving: None, admin: client.ApiClient
) -> AsyncIterator[Ground]:
    """Two tools whose objects really move."""
    async with ground(cluster_server, admin) as made:
        yield made


@pytest.fixture
async def admin(cluster: Cluster) -> AsyncIterator[client.ApiClient]:
    """A client of the administrator, for the setup of tests."""
    configuration = client.Configuration()
    await config.load_kube_config(
        str(cluster.kubeconfig(ADMINISTRATOR)), client_configuration=configuration
    )
    async with client.ApiClient(configuration) as api:
        yield api


RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture
async def service_rights(cluster: Cluster, admin: client.ApiClient) -> None:
    """The chart's ClusterRole, bound to the user of the tests."""
    (role,) = rendered({}, "ClusterRole")
    (binding,) = rendered({}, "ClusterRoleBinding")
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": SERVICE}
    await apply(admin, f"{RBAC}/clusterroles", role)
    await apply(admin, f"{RBAC}/clusterrolebindings", {**binding, "subjects": [user]})


@pytest.fixture
async def tools(admin: client.ApiClient) -> AsyncIterator[tuple[str, str]]:
    """Two tools with new namespaces."""
    core = client.CoreV1Api(admin)
    names = tuple(f"{each}-{uuid4().hex[:8]}" for each in ("alpha", "beta"))
    for name in names:
        await apply(admin, "/api/v1/namespaces", {"metadata": {"name": PREFIX + name}})
    yield (names[0], names[1])
    # There is no controller that would empty a deleted namespace.
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
            pytest.skip(
                "this needs an API server that the tests start: it has a user for each tool"
            )
        connection = connection or KubeConnection(str(cluster.kubeconfig(user)))
        store = KubernetesStore(connection, PREFIX, **options)
        await store.open()
        stores.append(store)
        return store

    yield open_
    for each in stores:
        await each.close()


@pytest.fixture
async def run_rights(admin: client.ApiClient) -> None:
    """The chart's rights for this runner, bound to the user that tests act as."""
    await bind_rights(admin, {"settings": {"runner": "kubernetes"}})


async def bind_rights(admin: client.ApiClient, values: dict[str, Any]) -> None:
    """Bind all of the chart's permissions with some values to the user of the tests."""
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": SERVICE}
    for role in rendered(values, "ClusterRole"):
        await apply(admin, f"{RBAC}/clusterroles", role)
    for binding in rendered(values, "ClusterRoleBinding"):
        await apply(admin, f"{RBAC}/clusterrolebindings", {**binding, "subjects": [user]})


@pytest.fixture
async def open_runner(
    cluster: Cluster, run_rights: None, tmp_path: Path
) -> AsyncIterator[OpenRunner]:
    """Open a runner with the service's rights; all are closed at the end."""
    runners: list[KubernetesRunner] = []
    usual = tmp_path / "template.yaml"
    usual.write_text(TEMPLATE)

    async def open_(template: Path = usual, **settings: Any) -> KubernetesRunner:
        runner = runner_on(cluster.kubeconfig(SERVICE), template, **settings)
        await runner.open()
        runners.append(runner)
        return runner

    yield open_
    for each in runners:
        await each.close()


@pytest.fixture
async def proxy(cluster: Cluster) -> Proxy:
    """A proxy between the service and the API server, controlled by a test."""
    if cluster.server is None:
        pytest.skip("this needs an API server that the tests start, behind a proxy")
    return Proxy(cluster.server.url)


@pytest.fixture
async def proxied(proxy: Proxy, aiohttp_server: AiohttpServer, tmp_path: Path) -> Path:
    """A kubeconfig for the API server through the proxy."""
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    url = (await aiohttp_server(app)).make_url("")
    user = {"token": f"{SERVICE}-token"}
    return Path(write_kubeconfig(tmp_path / "kubeconfig", url, user))


class Idle(Members):
    """Members for an instance without background work: all of it is another's."""

    def live(self) -> frozenset[str]:
        return frozenset({"another"})

    async def close(self) -> None:
        pass


class Requests:
    """The service's requests to the API server, from its audit log."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read_to = 0
        self.since()

    def since(self) -> list[str]:
        """Return the verbs of the requests since the last time."""
        return [each["verb"] for each in self._events()]

    def since_of_tools(self) -> list[str]:
        """Return only those in namespaces: the background loop lists all namespaces."""
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
        pytest.skip("this needs an API server that the tests start: its audit log")
    log = cluster.server.directory / "audit.log"
    log.touch()
    return Requests(log)
