"""Whatever happens, in whatever order: in the end, what runs is what was deployed last.

Two instances work on one tool. Components become healthy, fail and hang; the runner is away, and
its answers are lost; deployments are cancelled, and come in each other's way; instances are
restarted. Then all is well again, and is looked at.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

import looptime
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from backends.builders.base import BuildStatus
from backends.runners.base import Health, RunnerUnavailable, Wanted
from backends.status import Status
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment, roll_back
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.documents import DEPLOYMENT, deployment_of
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.errors import EngineError
from components.engine.runs.model import RunAction
from components.engine.runs.wanted import wanted_of
from components.engine.tasks import BackgroundTasks
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.engine.runs.conftest import finish
from tests.engine.runs.test_runs import cancel
from tests.factories import TOOL, component, configuration
from tests.runners.scripted import ScriptedRunner, UnmarkedRunner
from tests.stores.counting import CountingStore

pytestmark = pytest.mark.exhaustive

T = TypeVar("T")
COMPONENTS = ("a", "b", "c")
HEALTH = {
    "good": None,
    "slow": (Health.PROGRESSING, "0 of 1 ready"),
    "broken": (Health.FAILED, "it crashes"),
}
ROUNDS = 100


class Rollouts(RuleBasedStateMachine):
    """A tool is deployed by two instances while its components, and the runner, fail."""

    platform_of = ScriptedRunner

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner(loop_factory=looptime.new_event_loop)
        self.clock = HandClock()
        self.sealed: dict[str, Deployment] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    def attempt(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do what may be refused."""
        with suppress(EngineError):
            return self.run(work)
        return None

    @initialize(seed=st.integers(0, 2**16))
    def start(self, seed: int) -> None:
        async def engine() -> Engine:
            self.builder = ScriptedBuilder()
            self.builder.commits["main"] = "a" * 40
            self.platform = self.platform_of(self.clock)
            self.platform.order = Random(seed)
            store = CountingStore(self.clock)
            return Engine(
                store,
                self.builder,
                deployments_kept=50,
                random=Random(0),
                runner=self.platform,
                instance="one",
            )

        one = self.run(engine())
        self.engines = [one, replace(one, instance="other", tasks=BackgroundTasks())]

    by = st.integers(0, 1)
    which = st.integers(0, 20)
    some = st.sampled_from(COMPONENTS)

    def stored(self) -> list[Deployment]:
        listing = self.run(self.engines[0].store.list(TOOL, DEPLOYMENT))
        found = [deployment_of(each) for each in listing.documents]
        return sorted(found, key=lambda each: each.created)

    @rule(
        by=by,
        names=st.sets(some, min_size=1),
        replicas=st.integers(1, 2),
        force_build=st.booleans(),
        force_run=st.booleans(),
        built=st.sampled_from([True, True, False]),
    )
    def deploy(
        self,
        by: int,
        names: set[str],
        replicas: int,
        *,
        force_build: bool,
        force_run: bool,
        built: bool,
    ) -> None:
        self.clock.turn(1)
        engine = self.engines[by]
        given = configuration(**{each: component(replicas=replicas) for each in sorted(names)})
        del given["components"]["web"]
        options = DeployRequest(force_build=force_build, force_run=force_run)
        self.run(set_configuration(engine, TOOL, given))
        self.attempt(create_deployment(engine, TOOL, options))
        if built:
            finish(self.builder)

    @precondition(lambda self: self.stored())
    @rule(by=by, which=which)
    def roll_back(self, by: int, which: int) -> None:
        self.clock.turn(1)
        found = self.stored()
        self.attempt(roll_back(self.engines[by], TOOL, found[which % len(found)].id))

    @rule(by=by, seconds=st.sampled_from([1, 1, 1, 20, 70, 700]), times=st.integers(1, 3))
    def time_passes_and_one_looks_at_all(self, by: int, seconds: int, times: int) -> None:
        for _ in range(times):
            self.clock.turn(seconds)
            for each in self.stored():
                self.attempt(show_deployment(self.engines[by], TOOL, each.id))

    @rule()
    def both_look_at_all_at_once(self) -> None:
        self.clock.turn(1)

        async def both() -> None:
            looking = [
                show_deployment(engine, TOOL, each.id) for each in found for engine in self.engines
            ]
            await asyncio.gather(*looking, return_exceptions=True)

        found = self.stored()
        self.run(both())

    @precondition(lambda self: self.stored())
    @rule(by=by, which=which)
    def cancel(self, by: int, which: int) -> None:
        found = self.stored()
        self.attempt(cancel(self.engines[by], found[-1 - which % len(found)]))

    @rule(name=some, how=st.sampled_from(sorted(HEALTH)))
    def a_component_takes_a_turn(self, name: str, how: str) -> None:
        health = HEALTH[how]
        self.platform.health.pop(name, None)
        if health:
            self.platform.health[name] = health

    @rule(name=some, late=st.booleans(), stays=st.booleans())
    def a_component_is_slow_to_be_changed(self, name: str, *, late: bool, stays: bool) -> None:
        (self.platform.late.add if late else self.platform.late.discard)(name)
        (self.platform.stays.add if stays else self.platform.stays.discard)(name)

    @rule()
    def what_is_late_arrives(self) -> None:
        self.run(self.platform.arrive())

    @rule(out=st.booleans())
    def the_runner_is_away(self, *, out: bool) -> None:
        self.platform.outage = RunnerUnavailable("away") if out else None

    @rule(status=st.sampled_from([BuildStatus.FINISHED, BuildStatus.ERROR]))
    def the_builds_end(self, status: BuildStatus) -> None:
        if status is BuildStatus.FINISHED:
            finish(self.builder)
        else:
            going_on = [n for n, each in self.builder.builds.items() if not each.status.is_final]
            if going_on:
                self.builder.becomes(status, *going_on)

    @rule(by=by)
    def an_instance_is_restarted(self, by: int) -> None:
        self.run(self.engines[by].tasks.close(0))
        self.engines[by] = replace(self.engines[by], tasks=BackgroundTasks())

    @invariant()
    def the_rules_hold(self) -> None:
        if not hasattr(self, "engines"):
            return
        found = self.stored()
        for each in found:
            assert self.sealed.get(each.id, each) == each
            if each.is_settled:
                self.sealed[each.id] = each
        assert len([each for each in found if each.begun and not each.is_settled]) <= 1
        begun = sorted((each for each in found if each.begun), key=lambda each: str(each.begun))
        assert begun == [each for each in found if each.begun], "an older one began later"

    def teardown(self) -> None:
        try:
            if hasattr(self, "engines"):
                self.all_is_well_again()
        finally:
            self.loop.close()

    def all_is_well_again(self) -> None:
        platform = self.platform
        platform.outage = None
        platform.health.clear()
        platform.late.clear()
        platform.stays.clear()
        self.run(platform.arrive())
        for n in range(ROUNDS):
            if all(each.is_settled for each in self.stored()):
                break
            finish(self.builder)
            self.clock.turn(20)
            for each in self.stored():
                self.attempt(show_deployment(self.engines[n % 2], TOOL, each.id))
            self.the_rules_hold()
        for engine in self.engines:
            self.run(engine.tasks.close(60))
        found = self.stored()
        assert all(each.is_settled for each in found)
        listing = self.run(platform.list(TOOL))
        finished = [each for each in found if each.status is DeploymentStatus.FINISHED]
        assert {name: each.wanted for name, each in listing.items()} == self.listed(
            deployed(finished[-1]) if finished else {}
        )

    def listed(self, wanted: dict[str, Wanted]) -> dict[str, Wanted]:
        """Return what runs as the platform lists it."""
        return wanted


class UnmarkedRollouts(Rollouts):
    """The same on a platform that keeps no marks, where nothing is carried out later than asked."""

    platform_of = UnmarkedRunner

    @rule(name=Rollouts.some, stays=st.booleans())
    def a_component_is_slow_to_be_changed(self, name: str, *, stays: bool) -> None:
        (self.platform.stays.add if stays else self.platform.stays.discard)(name)

    @rule()
    def what_is_late_arrives(self) -> None:
        """Without a fence, what arrives late may undo what came after it."""

    def listed(self, wanted: dict[str, Wanted]) -> dict[str, Wanted]:
        return {name: replace(each, revision="") for name, each in wanted.items()}


def deployed(deployment: Deployment) -> dict[str, Wanted]:
    """Return what a finished deployment says."""
    assert {each.status for each in deployment.runs.values()} == {Status.FINISHED}
    return {
        name: wanted_of(deployment, name, run)
        for name, run in deployment.runs.items()
        if run.action is not RunAction.REMOVE
    }


Rollouts.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
# What differs is only what a runner without marks is told.
UnmarkedRollouts.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None
)
TestRollouts = pytest.mark.timeout(300)(Rollouts.TestCase)
TestUnmarkedRollouts = pytest.mark.timeout(300)(UnmarkedRollouts.TestCase)
