"""The cost of one request does not grow with the number of tools."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from kubernetes_asyncio import client

from backends.builders.base import BuildRejected, BuildStatus
from backends.stores.base import DocumentState
from backends.stores.kubernetes import KubernetesStore
from components.engine.builds.model import Build
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments.documents import deployment_data
from components.engine.deployments.model import Deployment
from components.engine.deployments.operations import list_deployments
from tests.builders.scripted import ScriptedBuilder
from tests.cluster.conftest import PREFIX, OpenStore, Requests
from tests.cluster.objects import apply
from tests.conftest import NOON
from tests.engine.conftest import show_deployment
from tests.factories import configuration

TOOLS, DEPLOYMENTS = 1000, 10
AT_ONCE = 40
ROUNDS = 15
MOST_GROWTH = 5.0
"""Tolerance for a noisy machine; a dependence on the tools would be a thousandfold."""


async def figures(engine: Engine, tool: str, requests: Requests) -> dict[str, tuple[int, float]]:
    """The number of calls and the median seconds of each kind of request."""
    work: dict[str, Callable[[], Awaitable[object]]] = {
        "POST config": lambda: set_configuration(engine, tool, configuration()),
        "POST deploy": lambda: create_deployment(engine, tool),
        "GET deploy": lambda: list_deployments(engine, tool),
        "GET deploy/latest": lambda: show_deployment(engine, tool, "latest"),
    }
    found = {}
    for name, call in work.items():
        times = []
        requests.since()
        for _ in range(ROUNDS):
            began = asyncio.get_running_loop().time()
            await call()
            times.append(asyncio.get_running_loop().time() - began)
        found[name] = (len(requests.since()) // ROUNDS, statistics.median(times))
    return found


async def fill(store: KubernetesStore, admin: client.ApiClient, tools: list[str]) -> None:
    """Give each tool a namespace, and ten final deployments."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(tool: str) -> None:
        async with at_once:
            await apply(admin, "/api/v1/namespaces", {"metadata": {"name": PREFIX + tool}})
            for n in range(DEPLOYMENTS):
                deploy_id = f"{tool}-deploy-20240404120000-{n}"
                done = Build(BuildStatus.FINISHED, f"build-{n}", image="registry/image:1")
                deployment = Deployment(tool, deploy_id, NOON, configuration(), {"web": done})
                data = deployment_data(deployment)
                await store.create(tool, "deployment", deploy_id, data, DocumentState.SEALED)

    await asyncio.gather(*(one(tool) for tool in tools))


@pytest.mark.timeout(300)
async def test_the_cost_for_one_tool_does_not_grow_with_a_thousand_tools(
    open_store: OpenStore,
    admin: client.ApiClient,
    requests: Requests,
    tools: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = await open_store()
    builder = ScriptedBuilder()
    builder.refusals["web"] = BuildRejected("no such ref")  # so that each ends at once
    engine = Engine(store, builder, deployments_kept=DEPLOYMENTS)
    await set_configuration(engine, tools[0], configuration())
    for _ in range(DEPLOYMENTS):
        await create_deployment(engine, tools[0])
    alone = await figures(engine, tools[0], requests)
    run = uuid4().hex[:6]
    await fill(store, admin, [f"crowd-{run}-{n}" for n in range(TOOLS)])
    among = await figures(engine, tools[0], requests)

    with capsys.disabled():
        print(f"\nof one tool, alone and among {TOOLS} with {DEPLOYMENTS} deployments each:")
        for name in alone:
            growth = among[name][1] / alone[name][1]
            print(f"  {name:18} {among[name][0]} calls, time x {growth:.2f}")
    for name in alone:
        assert among[name][0] == alone[name][0]
        assert among[name][1] / alone[name][1] < MOST_GROWTH
