"""A tool's deployments, on a store and a runner any of whose calls can fail as a test says."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from random import Random
from typing import Any

import pytest

from backends.runners.base import RunnerError, RunnerUnavailable, RunRequest
from backends.stores.base import Document, Sealed, StoreError, Unavailable
from components.engine.configurations.documents import CONFIGURATION
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.model import Deployment
from components.engine.deployments.operations import cancel_deployment
from components.engine.deployments.reading import deployment_of, deployments_in
from components.engine.deployments.reconcile import reconcile
from components.engine.errors import EngineError
from components.engine.loop.refreshing import Refresher
from components.engine.queue.documents import QUEUE
from components.engine.tasks import BackgroundTasks
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.runs.conftest import finish
from tests.engine.runs.platform import PlatformRunner
from tests.factories import TOOL, configuration
from tests.stores.counting import CountingStore

ROUNDS = 40


class Fault(Enum):
    """What happens at a call."""

    BEFORE = "it fails before it is carried out"
    AFTER = "it fails after it has been carried out"
    CONFLICT = "another writer changes the document first"
    MEANWHILE = "another instance looks at everything first"
    LATE = "it fails, and is carried out when the scenario is over"
    STOP_BEFORE = "the instance is stopped before it is carried out"
    STOP_AFTER = "the instance is stopped after it has been carried out"


CONDITIONAL = ("create", "replace")
"""The calls of a store that fail if another writer was faster."""

UNAVAILABLE = {"store": Unavailable, "runner": RunnerUnavailable}


class World:
    """Deployments of a tool, and the instance that takes care of them.

    `faults` has what happens at which of its calls, from 0; `calls` has the calls that it made,
    and `happened` what did happen, in words. Another instance does not fail.
    """

    def __init__(self, limit: int = 0) -> None:
        self.faults: Mapping[int, Fault] = {}
        self.calls: list[str] = []
        self.happened: list[str] = []
        self.clock = HandClock()
        self.builder = ScriptedBuilder()
        self.builder.commits["main"] = "a" * 40
        self.runner = PlatformRunner(self.clock)
        self.store = CountingStore(self.clock)
        self.other = Engine(
            self.store,
            self.builder,
            deployments_kept=9,
            max_running=limit,
            random=Random(1),
            runner=self.runner,
            instance="other",
        )
        self.engine = replace(
            self.other,
            store=_Faulty("store", self.store, self),  # type: ignore[arg-type]
            runner=_Faulty("runner", self.runner, self),  # type: ignore[arg-type]
            instance="one",
            tasks=BackgroundTasks(),
        )
        self._working: asyncio.Task[Any] | None = None
        self._stopped = False
        self._late: list[Callable[[], Awaitable[object]]] = []

    async def copy(self, limit: int = 0) -> "World":
        """Return another world in which the same has been deployed."""
        world = World(limit)
        world.clock.time = self.clock.time
        world.builder.builds |= self.builder.builds
        world.builder.ids |= self.builder.ids
        for each in (await self.store.list(TOOL, CONFIGURATION, QUEUE, DEPLOYMENT)).documents:
            await world.store.create(TOOL, each.kind, each.name, each.data, each.state)
        for name, there in (await self.runner.list(TOOL)).items():
            assert there.wanted
            assert there.origin
            assert there.fence
            request = RunRequest(TOOL, name, there.wanted, there.origin, there.fence)
            await world.runner.apply(request, None)
        world.clock.turn(10)
        return world

    async def deploy(self, *names: str, **given: Any) -> str:
        """Deploy components, by the other instance; return the deployment's id."""
        options = {name: given.pop(name) for name in _OPTIONS if name in given}
        self.clock.turn(1)
        await set_configuration(self.other, TOOL, configuration(*names, **given))
        return (await create_deployment(self.other, TOOL, DeployRequest(**options))).value.id

    async def step(self, times: int = 1, *, build: bool = True) -> None:
        """Let the instance look at what is open, as its background loop does."""
        for _ in range(times):
            if build:
                finish(self.builder)
            self.clock.turn(1)
            await self._attempt(self._look(self.engine))

    async def end(self) -> None:
        """Let the instance go on, without faults, until everything is settled."""
        self.faults = {}
        for call in self._late:
            with suppress(StoreError, RunnerError):
                await call()
        for _ in range(ROUNDS):
            if not (await self.store.list_open(DEPLOYMENT)).documents:
                return
            await self.step()
            self.clock.turn(20)
        pytest.fail(f"it never ends: {self.happened}")

    async def cancel(self, deploy_id: str) -> None:
        """Cancel a deployment, again and again until that is stored."""

        async def cancelling() -> None:
            refresher = Refresher(self.engine)
            try:
                await cancel_deployment(self.engine, refresher, TOOL, deploy_id)
            finally:
                await refresher.close()

        while not (await self.deployment(deploy_id)).cancel_requested:
            await self._attempt(cancelling())

    async def deployment(self, deploy_id: str) -> Deployment:
        return deployment_of(self.other, await self.store.get(TOOL, DEPLOYMENT, deploy_id))

    async def deployments(self) -> list[Deployment]:
        """Return all deployments, oldest first."""
        listing = await self.store.list(TOOL, DEPLOYMENT)
        found, _ = await deployments_in(self.other, listing)
        return [deployment for _, deployment in reversed(found)]

    async def _look(self, engine: Engine) -> None:
        for document in (await self.store.list_open(DEPLOYMENT)).documents:
            with suppress(StoreError, EngineError):
                await reconcile(engine, document)

    async def _attempt(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what may fail, and in which the instance may be stopped."""
        self._working = asyncio.create_task(work)
        try:
            with suppress(StoreError, EngineError):
                await self._working
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            await self.engine.tasks.close(0)
            await self._claims_are_given_back()
            self._stopped = False
            self.engine = replace(self.engine, instance="next", tasks=BackgroundTasks())

    async def _claims_are_given_back(self) -> None:
        if len(self.faults) > 1:
            return  # the store may have failed as that was stored
        for each in await self.deployments():
            for run in each.runs.values():
                assert run.claim is None or run.claim.by != self.engine.instance, self.happened

    async def happens(self, kind: str, name: str, arguments: Any, call: Callable[[], Any]) -> Any:
        """Carry out a call of the instance, with what happens at it."""
        where, fault = f"{kind}.{name}", self.faults.get(len(self.calls))
        if fault:
            self.happened.append(f"at call {len(self.calls)}, {where}: {fault.value}")
        self.calls.append(where)
        match fault:
            case Fault.BEFORE:
                raise UNAVAILABLE[kind]("away")
            case Fault.LATE:
                self._late.append(call)
                raise UNAVAILABLE[kind]("timed out")
            case Fault.STOP_BEFORE:
                await self._stop()
            case Fault.MEANWHILE:
                for _ in range(2):  # it begins what it finds, and starts it
                    await self._look(self.other)
            case Fault.CONFLICT if name in CONDITIONAL:
                await self._another_writes(*arguments)
        result = await call()
        match fault:
            case Fault.AFTER:
                raise UNAVAILABLE[kind]("no answer")
            case Fault.STOP_AFTER:
                await self._stop()
        return result

    async def _another_writes(self, first: Document | str, *others: Any) -> None:
        """Let another writer change a document that is about to be written, or create it first."""
        if isinstance(first, Document):
            stored = await self.store.get(first.tool, first.kind, first.name)
            with suppress(Sealed):
                await self.store.replace(stored, stored.data, stored.state)
        else:
            await self.store.create(first, *others)

    async def _stop(self) -> None:
        assert self._working
        self._stopped = True
        self._working.cancel()
        await asyncio.Event().wait()


_OPTIONS = ("components", "force_build", "force_run", "on_failure", "when_busy")


class _Faulty:
    def __init__(self, kind: str, target: Any, world: World) -> None:
        self._kind, self._target, self._world = kind, target, world

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **options: Any) -> Any:
            return await self._world.happens(
                self._kind, name, args, lambda: found(*args, **options)
            )

        return call
