"""The tekton builder on a real API server, with the permissions of the chart."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from aiohttp import web
from kubernetes_asyncio import client

from backends.builders.base import (
    Builder,
    BuilderUnavailable,
    BuildRejected,
    BuildRequest,
    BuildState,
    BuildStatus,
    NoFreeSlot,
)
from backends.builders.tekton.builder import TektonBuilder
from backends.builders.tekton.runs import name_of
from backends.kube.connection import KubeConnection
from tests.builders.contract import BackedBuilderContract
from tests.cluster.apiserver import SERVICE, TOOL_USERS
from tests.cluster.conftest import PREFIX, Cluster, Requests, bind_rights
from tests.cluster.objects import apply
from tests.cluster.tekton import RUNS, Controller, Kubelet, install
from tests.factories import build_request

Open: TypeAlias = Callable[..., Awaitable[TektonBuilder]]
TEMPLATE = """\
image: registry.example.org/${tool}/${component}
results: {commit: commit, digest: digest}
pipelineRun:
  spec:
    pipelineRef: {name: build}
    params: [{name: URL, value: "${repository}"}]
    timeouts: ${timeouts}
"""


@pytest.fixture
async def tool(tools: tuple[str, str], admin: client.ApiClient) -> str:
    await install(admin)
    return tools[0]


@pytest.fixture
async def build_rights(admin: client.ApiClient) -> None:
    """The chart's permissions for this builder, bound to the user of the tests."""
    await bind_rights(admin, {"settings": {"builder": "tekton"}})


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE.replace("${timeouts}", "{}"))
    return path


@pytest.fixture
async def open_builder(
    cluster: Cluster, build_rights: None, template: Path, tool: str
) -> AsyncIterator[Open]:
    """Open a builder with the service's permissions; all are closed at the end."""
    builders: list[TektonBuilder] = []

    async def opened(max_builds: int = 4, path: Path = template, **options: Any) -> TektonBuilder:
        connection = KubeConnection(str(cluster.kubeconfig(SERVICE)))
        builder = TektonBuilder(connection, str(path), max_builds=max_builds, **options)
        await builder.open()
        builders.append(builder)
        return builder

    yield opened
    for each in builders:
        await each.close()


@pytest.fixture
async def kubelet(admin: client.ApiClient) -> AsyncIterator[Kubelet]:
    kubelet = Kubelet(lines={"step-clone": ["cloning"], "step-build": ["building"]})
    runner: web.AppRunner = await kubelet.start(admin)
    yield kubelet
    kubelet.more.set()
    await runner.cleanup()


class TestTektonBuilder(BackedBuilderContract):
    @pytest.fixture(autouse=True)
    def _world(self, tool: str, admin: client.ApiClient, kubelet: Kubelet) -> None:
        self.tool, self.admin, self.kubelet = tool, admin, kubelet
        self.namespace = PREFIX + tool
        self.controller = Controller(admin)

    @pytest.fixture
    async def builder(self, open_builder: Open) -> Builder:
        return _For(await open_builder(max_builds=100), self.tool)

    @pytest.fixture
    async def narrow(self, open_builder: Open) -> Builder:
        return _For(await open_builder(max_builds=1), self.tool)

    def bad_request(self) -> BuildRequest:
        return replace(build_request("bad", "bad"), component="Not A Label")

    async def until_final(self, builder: Builder, build_id: str) -> BuildState:
        assert isinstance(builder, _For)
        api = client.CustomObjectsApi(self.admin)
        run = await api.get_namespaced_custom_object(
            "tekton.dev", "v1", self.namespace, "pipelineruns", build_id
        )
        cancelled = run["spec"].get("status") == "CancelledRunFinally"
        reason = "CancelledRunFinally" if cancelled else "Succeeded"
        if "completionTime" not in run.get("status", {}):
            await self.kubelet.pod(self.admin, self.namespace, build_id, "clone", "build")
            await self.controller.ends(self.namespace, build_id, reason)
        self.kubelet.more.set()  # the processes in its containers have ended
        state: BuildState | None = (await builder.get("mytool", [build_id]))[build_id]
        assert state is not None
        return state

    async def running(self, builder: Builder) -> str:
        build_id = (await builder.start(self.request_for())).id
        await self.kubelet.pod(self.admin, self.namespace, build_id, "clone", "build")
        await self.controller.starts(self.namespace, build_id)
        return build_id

    async def lose(self, builder: Builder, build_id: str) -> None:
        path = f"{RUNS}/namespaces/{self.namespace}/pipelineruns/{build_id}"
        await self.admin.call_api(path, "DELETE", auth_settings=["BearerToken"])

    async def cut_off(self, builder: Builder) -> None:
        assert isinstance(builder, _For)
        builder.inner._kube.client.configuration.host = "https://127.0.0.1:1"

    async def test_a_followed_log_ends_with_its_build(self, builder: Builder) -> None:
        # As in the contract; here the kubelet and the controller stop a cancelled build.
        build_id = await self.running(builder)
        lines = builder.log("mytool", build_id, follow=True)
        assert await anext(lines) == "cloning"
        await builder.cancel("mytool", build_id)
        await self.controller.ends(self.namespace, build_id, "CancelledRunFinally")
        self.kubelet.more.set()
        async with asyncio.timeout(20):
            assert [line async for line in lines] == ["building"]


class _For(Builder):
    """The builder, with the contract's tool mapped to one that has a namespace."""

    def __init__(self, inner: TektonBuilder, tool: str) -> None:
        self.inner = inner
        self._tools = {"mytool": tool}

    def _of(self, tool: str) -> str:
        return self._tools.get(tool, tool)

    async def start(self, request: BuildRequest) -> BuildState:
        return await self.inner.start(replace(request, tool=self._of(request.tool)))

    async def find(self, request: BuildRequest) -> BuildState | None:
        return await self.inner.find(replace(request, tool=self._of(request.tool)))

    async def get(self, tool: str, ids: Any) -> Any:
        return await self.inner.get(self._of(tool), ids)

    async def cancel(self, tool: str, build_id: str) -> None:
        await self.inner.cancel(self._of(tool), build_id)

    def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        return self.inner.log(self._of(tool), build_id, follow=follow)

    async def ping(self) -> None:
        await self.inner.ping()

    async def close(self) -> None:
        await self.inner.close()


def of(tool: str, component: str = "web", key: str = "one") -> BuildRequest:
    return replace(build_request(component, key), tool=tool)


async def test_a_hundred_builds_started_by_two_instances_exist_once_each(
    open_builder: Open, admin: client.ApiClient, tool: str
) -> None:
    instances = [await open_builder(max_builds=100), await open_builder(max_builds=100)]
    requests = [of(tool, f"c{n}", f"k{n}") for n in range(100)]
    states = await asyncio.gather(*(each.start(r) for r in requests for each in instances))
    assert len({state.id for state in states}) == 100
    runs = await client.CustomObjectsApi(admin).list_namespaced_custom_object(
        "tekton.dev", "v1", PREFIX + tool, "pipelineruns"
    )
    assert len(runs["items"]) == 100


async def test_eight_concurrent_starts_take_four_slots(open_builder: Open, tool: str) -> None:
    builder = await open_builder(max_builds=4)
    starting = [builder.start(of(tool, f"c{n}", f"k{n}")) for n in range(8)]
    outcomes = await asyncio.gather(*starting, return_exceptions=True)
    assert sum(isinstance(each, NoFreeSlot) for each in outcomes) == 4
    assert sum(isinstance(each, BuildState) for each in outcomes) == 4


async def test_get_makes_one_call_for_any_number_of_builds(
    open_builder: Open, requests: Requests, tool: str
) -> None:
    builder = await open_builder()
    ids = [(await builder.start(of(tool, f"c{n}", f"k{n}"))).id for n in range(4)]
    requests.since()
    assert len(await builder.get(tool, ids)) == 4
    assert requests.since() == ["list"]


async def test_the_results_of_the_pipeline_are_reported(
    open_builder: Open, admin: client.ApiClient, tool: str
) -> None:
    builder = await open_builder()
    build_id = (await builder.start(of(tool))).id
    results = [{"name": "commit", "value": "abc"}, {"name": "digest", "value": "sha256:1"}]
    await Controller(admin).ends(PREFIX + tool, build_id, results=results)
    state = (await builder.get(tool, [build_id]))[build_id]
    assert state is not None
    assert (state.commit, state.digest) == ("abc", "sha256:1")
    assert state.image == f"registry.example.org/{tool}/web"


async def test_a_run_of_another_client_with_the_same_name_is_not_adopted(
    open_builder: Open, admin: client.ApiClient, tool: str
) -> None:
    theirs = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": name_of(of(tool))},
        "spec": {},
    }
    await apply(admin, f"{RUNS}/namespaces/{PREFIX + tool}/pipelineruns", theirs)
    with pytest.raises(BuildRejected, match="already exists for another request"):
        await (await open_builder()).start(of(tool))


async def test_a_tool_without_a_namespace_is_reported(
    open_builder: Open, admin: client.ApiClient
) -> None:
    builder = await open_builder()
    with pytest.raises(BuildRejected, match="there is no namespace 'tool-nobody'"):
        await builder.start(of("nobody"))


async def test_all_runs_can_be_in_one_namespace(open_builder: Open, tools: tuple[str, str]) -> None:
    builder = await open_builder(namespace=PREFIX + tools[1])
    one, other = [await builder.start(of(each)) for each in ("alpha", "beta")]
    assert (await builder.find(of("alpha"))) == one
    states = await builder.get("beta", [one.id, other.id])
    assert states[one.id] == BuildState(
        one.id,
        BuildStatus.ERROR,
        "the cluster no longer has the PipelineRun of this build",
        lost=True,
    )
    assert states[other.id] == other


async def test_a_rejection_of_the_api_server_is_passed_on_verbatim(
    open_builder: Open, template: Path, tool: str
) -> None:
    bad = template.with_name("bad.yaml")
    bad.write_text(TEMPLATE.replace("${timeouts}", "never"))
    builder = await open_builder(path=bad)
    with pytest.raises(BuildRejected, match=r"spec\.timeouts in body must be of type object"):
        await builder.start(of(tool))


async def test_an_exhausted_quota_means_no_free_slot(
    open_builder: Open, admin: client.ApiClient, tool: str
) -> None:
    none = {"count/pipelineruns.tekton.dev": "0"}
    path = f"/api/v1/namespaces/{PREFIX + tool}/resourcequotas"
    await apply(admin, path, {"metadata": {"name": "builds"}, "spec": {"hard": none}})
    used = {"status": {"hard": none, "used": none}}
    await client.CoreV1Api(admin).patch_namespaced_resource_quota_status(
        "builds", PREFIX + tool, used
    )
    builder = await open_builder()
    with pytest.raises(NoFreeSlot, match="exceeded quota"):
        await builder.start(of(tool))


async def test_a_missing_permission_of_the_builder_is_named(
    cluster: Cluster, template: Path, tool: str
) -> None:
    if cluster.server is None:
        pytest.skip("this needs an API server that the tests start: it has a user for each tool")
    connection = KubeConnection(str(cluster.kubeconfig(TOOL_USERS[0])))
    builder = TektonBuilder(connection, str(template))
    await builder.open()
    try:
        with pytest.raises(BuilderUnavailable, match="missing permission: list pipelineruns"):
            await builder.start(of(tool))
    finally:
        await builder.close()
