"""After any sequence of faults, every running build belongs to a deployment.

Two instances work on one tool, with a builder that knows no keys. Responses are lost, starts arrive
late, requests and builders stall, ended builds are removed, all timeouts pass, and a newer version
takes deployments and gives them back. Then the faults end, and the final state is checked.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

import looptime
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from backends.builders.base import BuildStatus
from backends.stores.base import Document, DocumentState
from components.engine.configurations.operations import delete_configuration, set_configuration
from components.engine.context import Engine, Limits
from components.engine.creation.create import create_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.documents import DEPLOYMENT, FORM, deployment_of
from components.engine.deployments.model import Deployment
from components.engine.deployments.operations import cancel_deployment
from components.engine.errors import EngineError
from components.engine.loop.refreshing import Refresher
from components.engine.queue.state import WhenBusy
from components.engine.tasks import BackgroundTasks
from tests.builders.keyless import SETTLING, Backend, KeylessBuilder
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.factories import TOOL, configuration
from tests.stores.counting import CountingStore

pytestmark = pytest.mark.exhaustive

T = TypeVar("T")
COMPONENTS = ("a", "b")
MAX_DEPLOYMENTS = 3
KEYS = ("one", "two")
START_OUTCOMES = ("well", "well", "lost", "late", "full", "rejected")
ENDS = (BuildStatus.FINISHED, BuildStatus.ERROR)
ROUNDS = 60
DUPLICATE = "the same request created "


@dataclass
class Instance:
    """One of the two instances, with its builder."""

    engine: Engine
    builder: KeylessBuilder


class Faults(RuleBasedStateMachine):
    """Two instances deploy one tool while faults occur."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=looptime.new_event_loop)
        self.clock = HandClock()
        self.newer_documents: dict[str, Document] = {}
        self.sealed: dict[str, Deployment] = {}
        self.ids: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self.stalls = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def attempt(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Run what may be refused."""
        with suppress(EngineError):
            return self.run(work)
        return None

    @initialize(limit=st.integers(0, 1))
    def start(self, limit: int) -> None:
        self.limit = limit
        self.store = CountingStore(self.clock)
        self.backend = Backend(self.clock)
        self.instances = [self.run(self.instance(name)) for name in ("one", "other")]
        self.configure()

    async def instance(self, name: str) -> Instance:
        builder = KeylessBuilder(self.backend)
        engine = Engine(
            self.store,
            builder,
            deployments_kept=MAX_DEPLOYMENTS,
            max_running=self.limit,
            max_queued=1,
            limits=Limits(settling=SETTLING, knows_keys=False),
            instance=name,
            random=Random(name),
        )
        return Instance(engine, builder)

    by = st.integers(0, 1)
    which = st.integers(0, 20)

    def stored(self) -> list[tuple[Document, Deployment]]:
        found = self.run(self.store.list(TOOL, DEPLOYMENT)).documents
        return [(each, deployment_of(each)) for each in found]

    def configure(self) -> None:
        self.run(set_configuration(self.instances[0].engine, TOOL, configuration(*COMPONENTS)))

    @rule(by=by)
    def the_configuration_is_deleted_and_comes_back(self, by: int) -> None:
        self.attempt(delete_configuration(self.instances[by].engine, TOOL))
        waiting = [each for _, each in self.stored() if each.queued and not each.newer]
        assert all(each.status.is_final for each in waiting)
        self.configure()

    @rule(
        by=by,
        key=st.sampled_from([None, *KEYS]),
        when_busy=st.sampled_from(WhenBusy),
        stall=st.sampled_from([0, 0, 0, 40, 100]),
        meanwhile=st.booleans(),
        how=st.fixed_dictionaries({each: st.sampled_from(START_OUTCOMES) for each in COMPONENTS}),
    )
    def deploy(
        self,
        by: int,
        key: str | None,
        when_busy: WhenBusy,
        stall: int,
        how: dict[str, str],
        *,
        meanwhile: bool,
    ) -> None:
        """Deploy; the request may stall before it stores, while the other instance deploys too."""
        self.clock.turn(1)
        self.instances[by].builder.how = how
        options = DeployRequest(key or "", when_busy=when_busy)

        async def stalls() -> None:
            self.stalls += stall > 0
            self.clock.turn(stall)
            if meanwhile:
                other = self.instances[1 - by].engine
                await asyncio.gather(
                    create_deployment(other, TOOL, options, key), return_exceptions=True
                )

        if stall:
            self.store.before["create"] = stalls
        earlier = {each.id for _, each in self.stored() if key and each.description == key}
        answer = self.attempt(create_deployment(self.instances[by].engine, TOOL, options, key))
        self.store.before.clear()
        if answer and key and earlier and not stall:
            assert answer.value.id in earlier

    @rule(by=by, seconds=st.sampled_from([1, 1, 20, 70, 130, 4000]))
    def time_passes_and_one_instance_shows_all(self, by: int, seconds: int) -> None:
        self.clock.turn(seconds)
        for _, each in self.stored():
            self.attempt(show_deployment(self.instances[by].engine, TOOL, each.id))

    @precondition(lambda self: self.stored())
    @rule(by=by, which=which)
    def cancel(self, by: int, which: int) -> None:
        documents = self.stored()
        name, engine = documents[which % len(documents)][1].id, self.instances[by].engine

        async def cancelling() -> None:
            refresher = Refresher(engine)
            try:
                await cancel_deployment(engine, refresher, TOOL, name)
            finally:
                await refresher.close()

        self.attempt(cancelling())

    @rule(by=by, stalled=st.booleans(), out=st.sampled_from([False, False, True]))
    def starts_stall_or_the_builder_is_away(self, by: int, *, stalled: bool, out: bool) -> None:
        builder = self.instances[by].builder
        (builder.gate.clear if stalled else builder.gate.set)()
        builder.outage = out

    @rule()
    def a_late_start_arrives(self) -> None:
        self.backend.arrive()

    @precondition(lambda self: self.backend.jobs)
    @rule(which=which, status=st.sampled_from(ENDS), removed=st.booleans())
    def a_build_ends(self, which: int, status: BuildStatus, *, removed: bool) -> None:
        build_id = f"build-{which % len(self.backend.jobs) + 1}"
        self.backend.becomes(build_id, status)
        if removed:
            self.backend.remove(build_id)

    @rule(by=by)
    def an_instance_is_restarted(self, by: int) -> None:
        instance = self.instances[by]
        self.run(instance.engine.tasks.close(0))
        instance.engine = replace(instance.engine, tasks=BackgroundTasks())

    @precondition(lambda self: self.stored())
    @rule(which=which)
    def a_newer_version_takes_one(self, which: int) -> None:
        documents = self.stored()
        document = documents[which % len(documents)][0]
        if document.state is DocumentState.OPEN and document.name not in self.newer_documents:
            data = {**document.data, "form": FORM + 1, "phase": "pushing"}
            self.newer_documents[document.name] = self.run(
                self.store.replace(document, data, DocumentState.OPEN)
            )

    @precondition(lambda self: self.newer_documents)
    @rule()
    def the_newer_version_goes(self) -> None:
        """It rewrites its deployments in the form of this version."""
        for document in self.newer_documents.values():
            data = {**document.data, "form": FORM}
            self.run(self.store.replace(document, data, document.state))
        self.newer_documents.clear()

    @invariant()
    def the_rules_hold(self) -> None:
        stored = self.stored()
        for document, deployment in stored:
            settled = deployment.is_settled
            assert document.state is (DocumentState.SEALED if settled else DocumentState.OPEN)
            assert self.sealed.get(deployment.id, deployment) == deployment
            if settled:
                self.sealed[deployment.id] = deployment
            for component, build in deployment.builds.items():
                known = self.ids[deployment.id, component]
                if build.id not in (None, *known[-1:]):
                    known.append(str(build.id))
        there = {each.name: each for each, _ in stored}
        assert {name: there.get(name) for name in self.newer_documents} == self.newer_documents
        running = [each for _, each in stored if not (each.status.is_final or each.queued)]
        assert not self.limit or len(running) <= self.limit + self.stalls
        for key in KEYS:
            same = [each for _, each in stored if each.description == key]
            assert sum(not each.reason.startswith(DUPLICATE) for each in same) <= 1
        self.builds_are_not_shared()

    def builds_are_not_shared(self) -> None:
        """Check that builds are not shared, and not duplicated unless the first was lost."""
        holders = Counter(each for ids in self.ids.values() for each in ids)
        assert set(holders.values()) <= {1}
        for ids in self.ids.values():
            assert all(self.backend.jobs[each].removed for each in ids[:-1])
        unsettled = {
            (each.id, name)
            for _, each in self.stored()
            if not each.is_settled
            for name in each.builds
        }
        for where, ids in self.ids.items():
            if where not in unsettled:
                assert not any(self.backend.jobs[each].runs for each in ids)

    def teardown(self) -> None:
        try:
            if hasattr(self, "instances"):
                self.recover()
        finally:
            self.runner.close()

    def recover(self) -> None:
        self.the_newer_version_goes()
        self.backend.arrive(every=True)
        for instance in self.instances:
            instance.builder.outage = False
            instance.builder.how = {}
            instance.builder.gate.set()
        for n in range(ROUNDS):
            unsettled = [each for _, each in self.stored() if not each.is_settled]
            if not unsettled:
                break
            for each in unsettled:
                self.attempt(show_deployment(self.instances[n % 2].engine, TOOL, each.id))
                for build in each.builds.values():
                    if build.id and not build.stop:
                        self.backend.becomes(build.id, BuildStatus.FINISHED)
            self.run(self.instances[n % 2].engine.tasks.close(60))
            self.the_rules_hold()
            self.clock.turn(20)
        for instance in self.instances:
            self.run(instance.engine.tasks.close(60))
        self.the_rules_hold()
        assert all(each.is_settled for _, each in self.stored())
        known = {each for ids in self.ids.values() for each in ids}
        assert not [each for each, job in self.backend.jobs.items() if job.runs]
        assert all(
            job.removed for build_id, job in self.backend.jobs.items() if build_id not in known
        )


Faults.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestFaults = pytest.mark.timeout(300)(Faults.TestCase)
