"""For any behaviour of the builder, the invariants of deployments hold after each step."""

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any, TypeVar

import looptime
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from backends.builders.base import (
    BuilderUnavailable,
    BuildRejected,
    BuildStatus,
    NoFreeSlot,
)
from backends.stores.base import DocumentState
from components.engine.builds.model import Build
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments.documents import DEPLOYMENT, deployment_of
from components.engine.deployments.model import Deployment
from components.engine.errors import NoDeployment, TooManyUnfinished
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.factories import TOOL, configuration, reusing
from tests.stores.counting import CountingStore

pytestmark = pytest.mark.exhaustive

T = TypeVar("T")

COMPONENTS = ("a", "b", "c")
MAX_DEPLOYMENTS = 3
REFUSALS = {
    "rejected": BuildRejected("no such ref"),
    "full": NoFreeSlot("full"),
    "down": BuilderUnavailable("down"),
    "broken": RuntimeError("a bug"),
}


class Deployments(RuleBasedStateMachine):
    """A tool is deployed and queried while its builder fails, stalls and progresses."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=looptime.new_event_loop)
        self.clock = HandClock()
        self.final: dict[str, Deployment] = {}
        self.known: dict[tuple[str, str], Build] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on a loop with virtual time."""
        return self.runner.run(work)

    async def leaving_no_task(self, work: Coroutine[Any, Any, T]) -> T:
        """Run, and check that no task is left."""
        result = await work
        await self.engine.tasks.close(60)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    def teardown(self) -> None:
        self.runner.close()

    @initialize(seed=st.integers(0, 2**16))
    def start(self, seed: int) -> None:
        async def prepare() -> Engine:
            engine = Engine(
                CountingStore(self.clock),
                ScriptedBuilder(),
                deployments_kept=MAX_DEPLOYMENTS,
                random=Random(0),
            )
            given = configuration(*COMPONENTS, reused=reusing("a"))
            await set_configuration(engine, TOOL, given)
            return engine

        self.engine = self.run(prepare())
        assert isinstance(self.engine.builder, ScriptedBuilder)
        self.builder = self.engine.builder
        self.builder.order = Random(seed)

    @rule(target=ids)
    def deploy(self) -> str:
        self.clock.turn(1)
        try:
            answer = self.run(self.leaving_no_task(create_deployment(self.engine, TOOL)))
        except TooManyUnfinished:
            found = self.run(self.engine.store.list(TOOL, DEPLOYMENT)).documents
            unfinished = [each for each in found if each.state is DocumentState.OPEN]
            assert len(unfinished) >= 2 * MAX_DEPLOYMENTS
            return "refused"
        assert list(answer.value.all_builds) == [*COMPONENTS, "reused"]
        documents = self.run(self.engine.store.list(TOOL, DEPLOYMENT)).documents
        # No more settled ones than retained, plus the newest finished one.
        settled = [each for each in documents if each.state is DocumentState.SEALED]
        assert len(settled) <= MAX_DEPLOYMENTS + 1
        # The new deployment always exists.
        assert answer.value.id in {document.name for document in documents}
        return answer.value.id

    @rule(times=st.integers(2, 5))
    def deploy_at_once(self, times: int) -> None:
        async def several() -> list[Any]:
            deploying = [create_deployment(self.engine, TOOL) for _ in range(times)]
            return await asyncio.gather(*deploying, return_exceptions=True)

        self.clock.turn(1)
        for answer in self.run(self.leaving_no_task(several())):
            if isinstance(answer, BaseException):
                assert isinstance(answer, TooManyUnfinished)

    @rule()
    def respond_with_a_bug(self) -> None:
        def fail() -> None:
            raise RuntimeError("a bug")

        self.builder.before_answers = [fail]

    @rule(deploy_id=ids, times=st.integers(1, 3))
    def ask(self, deploy_id: str, times: int) -> None:
        async def several() -> list[Any]:
            asking = [show_deployment(self.engine, TOOL, deploy_id) for _ in range(times)]
            return await asyncio.gather(*asking, return_exceptions=True)

        for answer in self.run(self.leaving_no_task(several())):
            if isinstance(answer, BaseException):
                assert isinstance(answer, NoDeployment)

    @rule(component=st.sampled_from(COMPONENTS), how=st.sampled_from([None, *REFUSALS]))
    def refuse(self, component: str, how: str | None) -> None:
        self.builder.refusals.pop(component, None)
        if how is not None:
            self.builder.refusals[component] = REFUSALS[how]

    @rule(stalls=st.booleans())
    def stall(self, stalls: bool) -> None:
        (self.builder.gate.clear if stalls else self.builder.gate.set)()

    @rule(fails=st.booleans())
    def fail(self, fails: bool) -> None:
        self.builder.outage = BuilderUnavailable("down") if fails else None

    @rule(which=st.integers(0, 50), status=st.sampled_from(BuildStatus))
    def move_on(self, which: int, status: BuildStatus) -> None:
        """A builder may report anything about a build, even that it is no longer final."""
        if self.builder.builds:
            build_id = sorted(self.builder.builds)[which % len(self.builder.builds)]
            self.builder.becomes(status, build_id, message=str(which))

    @rule(which=st.integers(0, 50))
    def lose(self, which: int) -> None:
        if self.builder.builds:
            del self.builder.builds[sorted(self.builder.builds)[which % len(self.builder.builds)]]

    @invariant()
    def the_rules_hold(self) -> None:
        documents = self.run(self.engine.store.list(TOOL, DEPLOYMENT)).documents
        stored = [(document, deployment_of(document)) for document in documents]
        for document, deployment in stored:
            settled = deployment.is_settled
            assert document.state is (DocumentState.SEALED if settled else DocumentState.OPEN)
            assert self.final.get(deployment.id, deployment) == deployment
            if settled:
                self.final[deployment.id] = deployment
            for name, build in deployment.builds.items():
                before = self.known.get((deployment.id, name), Build())
                assert before.id in (None, build.id)
                assert not before.is_settled or build == before
                assert not before.status.is_final or build.status is before.status
                self.known[deployment.id, name] = build
        keys = [build.id for _, each in stored for build in each.builds.values()]
        launched = [key for key in keys if key is not None]
        assert len(launched) == len(set(launched)), "one build belongs to two components"


Deployments.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestDeployments = pytest.mark.timeout(300)(Deployments.TestCase)
