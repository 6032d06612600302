"""Any sequence of calls from two clients to two instances with one store satisfies a simple model.

The model has the configurations, the queue, the cancelled deployments, what each deployment builds,
and the finished builds.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from backends.builders.base import BuildState, BuildStatus
from components.engine.configurations.operations import (
    Condition,
    delete_configuration,
    list_configurations,
    set_configuration,
)
from components.engine.context import Engine
from components.engine.creation.create import create_deployment, retry_deployment, roll_back
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.operations import (
    cancel_deployment,
    delete_deployment,
    list_deployments,
)
from components.engine.errors import (
    AlreadyFinal,
    Busy,
    ConfigurationChanged,
    EngineError,
    KeyReused,
    NoConfiguration,
    NotDeployable,
    NotFinal,
    NothingToRetry,
    QueueFull,
)
from components.engine.loop.refreshing import Refresher
from components.engine.queue.state import WhenBusy
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.factories import TOOL, component
from tests.stores.counting import CountingStore

T = TypeVar("T")

MAX_QUEUED = 2
CONFIGS_KEPT = 3
ENDS = (BuildStatus.FINISHED, BuildStatus.ERROR, BuildStatus.CANCELLED)


@dataclass
class Model:
    """The expected state."""

    configurations: list[str] = field(default_factory=list)
    stored: bool = False
    queue: list[str] = field(default_factory=list)
    keys: dict[str, tuple[Any, str]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    ended: dict[str, BuildStatus] = field(default_factory=dict)

    def is_built(self, ref: str) -> bool:
        return any(
            self.refs[each] == ref and status is BuildStatus.FINISHED
            for each, status in self.ended.items()
        )

    def refusal(self, when_busy: WhenBusy) -> type[EngineError] | None:
        """The error of a new deployment, if it would be refused."""
        if self.queue and when_busy is WhenBusy.REJECT:
            return Busy
        waiting = [each for each in self.queue[1:] if each not in self.cancelled]
        return QueueFull if when_busy is WhenBusy.QUEUE and len(waiting) >= MAX_QUEUED else None

    def add(self, deploy_id: str, ref: str, when_busy: WhenBusy, *, built: bool) -> None:
        """Add a new deployment to the queue; it may have ended at once."""
        self.refs[deploy_id] = ref
        if built:
            self.ended[deploy_id] = BuildStatus.FINISHED
        if self.queue and when_busy is WhenBusy.SUPERSEDE:
            self.cancelled |= set(self.queue)
            del self.queue[1:]
        self.queue.append(deploy_id)
        self.remove_ended()

    def remove_ended(self) -> None:
        """Remove ended deployments from the head of the queue."""
        while self.queue and self.queue[0] in self.ended:
            del self.queue[0]

    def status(self, deploy_id: str) -> DeploymentStatus:
        if deploy_id in self.queue:
            first = self.queue[0] == deploy_id
            return DeploymentStatus.RUNNING if first else DeploymentStatus.PENDING
        if deploy_id in self.cancelled:
            return DeploymentStatus.CANCELLED
        return DeploymentStatus(self.ended[deploy_id].value)


def configured(ref: str) -> dict[str, Any]:
    """A configuration of one component that is built from a ref."""
    given = component()
    given["build"]["ref"] = ref
    return {"components": {"web": given}}


class Calls(RuleBasedStateMachine):
    """Two clients configure, deploy, cancel, retry and roll back one tool."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = HandClock()
        self.model = Model()
        self.etags: dict[str, str] = {}

    def teardown(self) -> None:
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def attempt(self, work: Coroutine[Any, Any, T], refusal: type[Exception] | None) -> T | None:
        """Run what must succeed, or must raise `refusal`."""
        try:
            result = self.run(work)
        except EngineError as error:
            if type(error) is not refusal:
                raise
            return None
        assert refusal is None, f"expected {refusal}"
        return result

    @initialize()
    def start(self) -> None:
        async def prepare() -> None:
            self.builder = ScriptedBuilder()
            one = Engine(
                CountingStore(self.clock),
                self.builder,
                deployments_kept=400,
                configs_kept=CONFIGS_KEPT,
                max_running=1,
                max_queued=MAX_QUEUED,
                instance="one",
                random=Random(0),
            )
            self.engines = (one, replace(one, instance="other"))
            self.builder.commits = {"main": "1" * 40, "next": "2" * 40}

        self.run(prepare())
        self.configure(0, "main", expected=False)

    instance = st.integers(0, 1)
    which = st.integers(0, 20)

    def pick(self, which: int) -> str:
        ids = sorted(self.model.refs)
        return ids[which % len(ids)]

    def settle(self) -> None:
        """Reconcile until nothing changes, with the two instances in turn."""

        async def steps() -> None:
            for n in range(3 * len(self.model.refs) + 3):
                found = (await list_deployments(self.engines[0], TOOL)).value
                for each in found:
                    if not each.status.is_final:
                        await show_deployment(self.engines[n % 2], TOOL, each.id)

        self.run(steps())
        self.model.remove_ended()

    @rule(
        by=instance,
        ref=st.sampled_from(["main", "next"]),
        expected=st.sampled_from([False, False, True]),
    )
    def configure(self, by: int, ref: str, *, expected: bool) -> None:
        self.clock.turn(1)
        current = self.model.configurations[0] if self.model.stored else None
        # A client that has last read `main`.
        condition = Condition(frozenset({self.etags.get("main", "none")})) if expected else None
        # Setting the stored configuration succeeds: the first response may have been lost.
        errors_of = ConfigurationChanged if expected and current not in ("main", ref) else None
        work = set_configuration(self.engines[by], TOOL, configured(ref), condition or Condition())
        answer = self.attempt(work, errors_of)
        if answer:
            self.etags[ref] = answer.value.etag
            if current != ref:
                self.model.configurations = [ref, *self.model.configurations][:CONFIGS_KEPT]
            self.model.stored = True

    @rule(by=instance, sure=st.integers(0, 9))
    def remove_configuration(self, by: int, sure: int) -> None:
        if sure:
            return  # without one, there is nothing else to check
        errors_of = None if self.model.stored else NoConfiguration
        if self.attempt(delete_configuration(self.engines[by], TOOL), errors_of):
            self.model.stored = False
            self.model.cancelled |= set(self.model.queue[1:])
            del self.model.queue[1:]

    @rule(
        by=instance,
        when_busy=st.sampled_from(WhenBusy),
        force=st.booleans(),
        key=st.sampled_from([None, None, "one", "two"]),
    )
    def deploy(self, by: int, when_busy: WhenBusy, force: bool, key: str | None) -> None:
        self.clock.turn(1)
        options = DeployRequest(force_build=force, when_busy=when_busy)
        work = create_deployment(self.engines[by], TOOL, options, key)
        if key in self.model.keys:
            asked, deploy_id = self.model.keys[str(key)]
            answer = self.attempt(work, None if asked == options else KeyReused)
            assert answer is None or answer.value.id == deploy_id
            return
        errors_of = self.model.refusal(when_busy) if self.model.stored else NoConfiguration
        answer = self.attempt(work, errors_of)
        if answer:
            ref = self.model.configurations[0]
            built = self.model.is_built(ref) and not force
            self.model.add(answer.value.id, ref, when_busy, built=built)
            if key:
                self.model.keys[key] = (options, answer.value.id)
            self.settle()

    @precondition(lambda self: self.model.refs)
    @rule(by=instance, which=which, when_busy=st.sampled_from(WhenBusy), back=st.booleans())
    def deploy_again(self, by: int, which: int, when_busy: WhenBusy, back: bool) -> None:
        self.clock.turn(1)
        earlier = self.pick(which)
        finished = not self.model.status(earlier).is_final or (
            self.model.status(earlier) is DeploymentStatus.FINISHED
        )
        errors_of: type[EngineError] | None = self.model.refusal(when_busy)
        if not self.model.status(earlier).is_final:
            errors_of = NotFinal
        elif finished != back:
            errors_of = NotDeployable if back else NothingToRetry
        again = roll_back if back else retry_deployment
        answer = self.attempt(
            again(self.engines[by], TOOL, earlier, DeployRequest(when_busy=when_busy)), errors_of
        )
        if answer:
            built = self.model.ended.get(earlier) is BuildStatus.FINISHED
            ref = self.model.refs[earlier]
            self.model.add(answer.value.id, ref, when_busy, built=built)
            self.settle()

    @precondition(lambda self: self.model.refs)
    @rule(by=instance, which=which)
    def cancel(self, by: int, which: int) -> None:
        deploy_id = self.pick(which)
        errors_of = None if deploy_id in self.model.queue else AlreadyFinal

        async def cancelling() -> Deployment:
            refresher = Refresher(self.engines[by])
            try:
                engine = self.engines[by]
                return (await cancel_deployment(engine, refresher, TOOL, deploy_id)).value
            finally:
                await refresher.close()

        if self.attempt(cancelling(), errors_of):
            self.model.cancelled.add(deploy_id)
            if self.model.queue[0] != deploy_id:
                self.model.queue.remove(deploy_id)

    @precondition(lambda self: self.model.queue)
    @rule(status=st.sampled_from(ENDS))
    def the_build_ends(self, status: BuildStatus) -> None:
        first = self.model.queue[0]
        build_id = self.builder.ids[f"{first}/web"]
        self.builder.builds[build_id] = BuildState(build_id, status, image="i:1")
        self.model.ended[first] = status
        self.model.remove_ended()
        self.settle()

    @precondition(lambda self: self.model.refs)
    @rule(by=instance, which=which, unfinished=st.booleans())
    def delete(self, by: int, which: int, *, unfinished: bool) -> None:
        deploy_id = self.pick(which)
        self.clock.turn(5)  # clients that watch it have seen its end

        async def deleting() -> Deployment:
            refresher = Refresher(self.engines[by])
            try:
                engine = self.engines[by]
                return (
                    await delete_deployment(
                        engine, refresher, TOOL, deploy_id, unfinished=unfinished
                    )
                ).value
            finally:
                await refresher.close()

        refused = deploy_id in self.model.queue and not unfinished
        if self.attempt(deleting(), NotFinal if refused else None):
            del self.model.refs[deploy_id]
            if deploy_id in self.model.queue:
                self.model.queue.remove(deploy_id)
            self.model.cancelled.discard(deploy_id)
            self.model.ended.pop(deploy_id, None)
            self.model.keys = {
                key: each for key, each in self.model.keys.items() if each[1] != deploy_id
            }
            self.settle()

    @invariant()
    def the_deployments_are_as_they_must_be(self) -> None:
        found = self.run(list_deployments(self.engines[0], TOOL)).value
        assert {each.id: each.status for each in found} == {
            each: self.model.status(each) for each in self.model.refs
        }
        for each in found:
            build = each.builds["web"]
            if build.reused:
                assert (build.image, build.commit) == (
                    "i:1",
                    self.builder.commits[self.model.refs[each.id]],
                )

    @invariant()
    def each_build_was_started_once(self) -> None:
        keys = [each.key for each in self.builder.requests]
        assert len(keys) == len(set(keys))

    @invariant()
    def the_configurations_are_as_they_must_be(self) -> None:
        kept = self.run(list_configurations(self.engines[1], TOOL)).value
        refs = [each.value["components"]["web"]["build"]["ref"] for each in kept]
        assert refs == self.model.configurations
        assert [each.current for each in kept] == [
            n == 0 and self.model.stored for n in range(len(kept))
        ]


Calls.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestCalls = pytest.mark.timeout(300)(Calls.TestCase)
