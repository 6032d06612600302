"""A cancellation that races with every step of a deployment, in any order."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.builders.base import BuildRequest, BuildState, BuildStatus
from backends.stores.base import Document, DocumentState, JsonObject
from backends.stores.memory import MemoryStore
from components.engine.configurations.operations import set_configuration
from components.engine.context import Answer, Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments.documents import DEPLOYMENT, deployment_of
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.operations import cancel_deployment
from components.engine.deployments.reconcile import reconcile
from components.engine.errors import AlreadyFinal, NoDeployment
from components.engine.loop.refreshing import Refresher
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import NOON
from tests.factories import TOOL, configuration

pytestmark = pytest.mark.exhaustive


class Scheduler:
    """A deterministic scheduler: a list of numbers selects the next waiting coroutine."""

    def __init__(self, choices: list[int]) -> None:
        self._choices = iter(choices)
        self._waiting: list[asyncio.Future[None]] = []

    async def turn(self) -> None:
        """Wait until the scheduler selects the caller."""
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        await mine

    async def until_done(self, *work: Coroutine[Any, Any, Any]) -> list[Any]:
        """Run all coroutines, one step at a time; return their results or exceptions."""
        tasks = [asyncio.create_task(each) for each in work]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            waiting = [each for each in self._waiting if not each.done()]
            if waiting:
                waiting[next(self._choices, 0) % len(waiting)].set_result(None)
                self._waiting = [each for each in waiting if not each.done()]
        return await asyncio.gather(*tasks, return_exceptions=True)


class Store(MemoryStore):
    """A memory store in which each call waits for its turn."""

    turns: Scheduler

    async def get(self, tool: str, kind: str, name: str) -> Document:
        await self.turns.turn()
        return await super().get(tool, kind, name)

    async def create(
        self,
        tool: str,
        kind: str,
        name: str,
        data: JsonObject,
        state: DocumentState = DocumentState.PLAIN,
    ) -> Document:
        await self.turns.turn()
        return await super().create(tool, kind, name, data, state)

    async def replace(self, read: Document, data: JsonObject, state: DocumentState) -> Document:
        await self.turns.turn()
        return await super().replace(read, data, state)


class Worker(ScriptedBuilder):
    """A builder in which each query advances the builds that were not cancelled."""

    turns: Scheduler

    async def start(self, request: BuildRequest) -> BuildState:
        await self.turns.turn()
        return await super().start(request)

    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        await self.turns.turn()
        answer = await super().get(tool, ids)
        for build_id in ids:
            if self.builds[build_id].status is BuildStatus.PENDING:
                self.becomes(BuildStatus.RUNNING, build_id)
            elif not self.builds[build_id].status.is_final:
                self.becomes(BuildStatus.FINISHED, build_id)
        return answer

    async def cancel(self, tool: str, build_id: str) -> None:
        await self.turns.turn()
        await super().cancel(tool, build_id)
        if not self.builds[build_id].status.is_final:
            self.becomes(BuildStatus.CANCELLED, build_id)


async def race(choices: list[int]) -> None:
    """Deploy, reconcile by another instance, and cancel by a third; then reconcile to the end."""
    turns, store, builder = Scheduler([]), Store(lambda: NOON), Worker()
    store.turns = builder.turns = turns
    one = Engine(store, builder, random=Random(1), instance="one")
    other, third = replace(one, instance="other"), replace(one, instance="third")
    await turns.until_done(set_configuration(one, TOOL, configuration("a", "b")))
    store.turns = builder.turns = turns = Scheduler(choices)
    stored_final: list[Deployment] = []

    async def reconciling() -> None:
        for _ in range(4):
            for document in (await store.list(TOOL, DEPLOYMENT)).documents:
                await reconcile(other, document)
            await turns.turn()

    async def cancelling() -> Answer[Deployment]:
        refresher = Refresher(third)
        try:
            while True:
                await turns.turn()
                try:
                    return await cancel_deployment(third, refresher, TOOL, "latest")
                except NoDeployment:
                    continue
                except AlreadyFinal:
                    (document,) = (await store.list(TOOL, DEPLOYMENT)).documents
                    stored_final.append(deployment_of(document))
                    raise
        finally:
            await refresher.close()

    _, _, cancelled = await turns.until_done(
        create_deployment(one, TOOL), reconciling(), cancelling()
    )
    for _ in range(5):
        (document,) = (await store.list(TOOL, DEPLOYMENT)).documents
        await turns.until_done(reconcile(one, document))
    (document,) = (await store.list(TOOL, DEPLOYMENT)).documents
    end = deployment_of(document)
    if isinstance(cancelled, AlreadyFinal):
        assert [end] == stored_final
    else:
        assert isinstance(cancelled, Answer), cancelled
        assert end.status is DeploymentStatus.CANCELLED
    assert all(state.status.is_final for state in builder.builds.values())
    assert len(builder.ids) == len(builder.builds)
    known = {build.id for build in end.builds.values()}
    assert builder.builds.keys() <= known
    assert all(build.claim is None and build.stop is None for build in end.builds.values())


@settings(max_examples=300)
@given(st.lists(st.integers(0, 7), max_size=40))
def test_a_cancelled_deployment_ends_as_cancelled_or_with_its_earlier_status(
    choices: list[int],
) -> None:
    asyncio.run(race(choices))
