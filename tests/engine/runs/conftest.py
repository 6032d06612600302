"""An engine whose deployments have a run phase."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeAlias

import pytest

from backends.builders.base import BuildState, BuildStatus
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.model import Deployment
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.factories import TOOL, configuration
from tests.runners.scripted import ScriptedRunner
from tests.stores.counting import CountingStore

Deploy: TypeAlias = Callable[..., Awaitable[Deployment]]


@pytest.fixture
async def runner(clock: HandClock) -> ScriptedRunner:
    return ScriptedRunner(clock)


@pytest.fixture
def engine(store: CountingStore, builder: ScriptedBuilder, runner: ScriptedRunner) -> Engine:
    return Engine(
        store, builder, deployments_kept=9, builder_timeout=15, random=Random(1), runner=runner
    )


@pytest.fixture
def deploy(engine: Engine, builder: ScriptedBuilder, clock: HandClock) -> Deploy:
    """Deploy components, let their builds finish, and return the deployment after some steps.

    `steps` is how often it is reconciled after its builds have finished.
    """

    async def deploy_(*names: str, steps: int = 4, **given: Any) -> Deployment:
        options = {each: given.pop(each) for each in _OPTIONS if each in given}
        clock.turn(1)  # no two are accepted at the same time
        await set_configuration(engine, TOOL, configuration(*names, **given))
        made = (await create_deployment(engine, TOOL, DeployRequest(**options))).value
        finish(builder)
        return await stepped(engine, made, steps)

    return deploy_


_OPTIONS = ("components", "force_build", "force_run", "on_failure")


def finish(builder: ScriptedBuilder) -> None:
    """Let all builds that run finish, each with an image of its own."""
    for build_id, state in builder.builds.items():
        if not state.status.is_final:
            builder.builds[build_id] = BuildState(
                build_id, BuildStatus.FINISHED, image=f"registry.example.org/{build_id}:1"
            )


async def stepped(engine: Engine, deployment: Deployment, steps: int = 4) -> Deployment:
    """Return a deployment after it was reconciled a few times."""
    for _ in range(steps):
        if isinstance(engine.runner, ScriptedRunner):
            engine.runner.clock.turn(1)
        deployment = (await show_deployment(engine, TOOL, deployment.id)).value
    return deployment
