"""What the runner cannot run is refused before anything is built; and what is done by hand."""

from random import Random

import pytest

from backends.runners.base import Checked, Health, Remark, RunnerUnavailable, RunSpec
from components.configuration.problems import InvalidConfiguration
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.creation.preview import preview_deployment
from components.engine.errors import NotRunning, RolloutUnderWay
from components.engine.runs.model import RunAction
from components.engine.runs.operations import (
    restart_component,
    show_running,
    start_component,
    stop_components,
)
from tests.builders.scripted import ScriptedBuilder
from tests.engine.runs.conftest import Deploy
from tests.factories import TOOL, component, configuration
from tests.runners.scripted import ScriptedRunner

SLOW = (Health.PROGRESSING, "0 of 1 ready")


class Strict(ScriptedRunner):
    """Cannot publish, and sends no mail."""

    def check(self, tool: str, component: str, spec: RunSpec) -> Checked:
        problems = (Remark("publish", "has no host here"),) if spec.publish else ()
        warnings = (Remark("emails", "has no effect here"),) if spec.emails else ()
        return Checked(problems, warnings)


@pytest.fixture
async def runner(clock: object) -> ScriptedRunner:
    return Strict(clock)  # type: ignore[arg-type]


async def test_what_cannot_be_run_is_refused_by_path_before_anything_is_built(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    published = component(port=80, publish="/")
    await set_configuration(engine, TOOL, configuration(web=published, site=published))
    for make in (create_deployment, preview_deployment):
        with pytest.raises(InvalidConfiguration) as refused:
            await make(engine, TOOL, DeployRequest())
        assert refused.value.messages == (
            "components.web.run.publish: has no host here",
            "components.site.run.publish: has no host here",
        )
    assert builder.requests == []


async def test_what_has_no_effect_is_warned_of_by_path(engine: Engine) -> None:
    await set_configuration(engine, TOOL, configuration(web=component(emails="all")))
    answer = await create_deployment(engine, TOOL)
    assert "components.web.run.emails: has no effect here" in answer.warnings


async def test_a_dry_run_says_what_would_become_of_each_run(
    engine: Engine, deploy: Deploy, builder: ScriptedBuilder
) -> None:
    builder.commits["main"] = "a" * 40
    await deploy("same", "old", other=component())
    await set_configuration(engine, TOOL, configuration("same", "new", other=component(replicas=2)))
    planned = (await preview_deployment(engine, TOOL, DeployRequest())).value.runs
    assert {name: each.action for name, each in planned.items()} == {
        "same": RunAction.LEAVE,
        "new": RunAction.START,
        "other": RunAction.CHANGE,
        "old": RunAction.REMOVE,
    }


async def test_what_runs_is_shown_in_one_question(
    engine: Engine, deploy: Deploy, runner: ScriptedRunner
) -> None:
    deployment = await deploy("web", nightly=component(schedule="@daily"))
    runner.calls.clear()
    running = (await show_running(engine, TOOL)).value
    assert runner.calls == {"list": 1}
    assert running["web"].deploy_id == deployment.id
    assert running["nightly"].schedule == "@daily"


async def test_nothing_is_changed_by_hand_during_a_run_phase(
    engine: Engine, deploy: Deploy, runner: ScriptedRunner
) -> None:
    runner.health["web"] = SLOW
    deployment = await deploy("web")
    for change in (
        restart_component(engine, TOOL, "web"),
        start_component(engine, TOOL, "web"),
        stop_components(engine, TOOL),
    ):
        with pytest.raises(RolloutUnderWay, match=deployment.id):
            await change


async def test_a_component_that_does_not_run_is_refused_with_the_nearest_name(
    engine: Engine, deploy: Deploy
) -> None:
    await deploy("web")
    with pytest.raises(NotRunning, match="did you mean 'web'"):
        await stop_components(engine, TOOL, "wep")
    for change in (restart_component, start_component):
        with pytest.raises(NotRunning, match="did you mean 'web'"):
            await change(engine, TOOL, "wep")


async def test_all_that_runs_is_stopped(
    engine: Engine, deploy: Deploy, runner: ScriptedRunner
) -> None:
    await deploy("web", "api")
    assert (await stop_components(engine, TOOL)).value.keys() == {"web", "api"}
    assert await runner.list(TOOL) == {}


async def test_what_cannot_be_stopped_is_told_when_all_others_have_been_stopped(
    engine: Engine, deploy: Deploy, runner: ScriptedRunner
) -> None:
    await deploy("a", "b", "c", "d")
    runner.order = Random(1)

    async def fails() -> None:
        raise RunnerUnavailable("connection refused")

    runner.before["remove"] = fails
    with pytest.raises(RunnerUnavailable, match="connection refused"):
        await stop_components(engine, TOOL)
    assert len(runner.removed) == 3
    await stop_components(engine, TOOL)
    assert await runner.list(TOOL) == {}
