"""Documents with runs that two versions of the service write: nothing is lost, no harm is done."""

from typing import Any

import pytest

from backends.runners.base import Health
from backends.stores.base import DocumentState
from components.engine.context import Engine
from components.engine.deployments.documents import DEPLOYMENT, FORM, deployment_of
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.queue.documents import QUEUE
from tests.conftest import HandClock
from tests.engine.conftest import show_deployment
from tests.engine.runs.conftest import Deploy, stepped
from tests.factories import TOOL
from tests.runners.scripted import ScriptedRunner
from tests.stores.counting import CountingStore

SLOW = (Health.PROGRESSING, "0 of 1 ready")
STOP = {"reason": "no-power", "since": "2024-04-04T12:00:00+00:00", "message": "m"}


@pytest.fixture
async def rolling_out(deploy: Deploy, runner: ScriptedRunner) -> Deployment:
    """A deployment in the middle of its run phase; before it, something else ran."""
    await deploy("web")
    runner.health["registry.example.org/build-2:1"] = SLOW
    return await deploy("web", force_build=True)


async def data_of(store: CountingStore, deployment: Deployment) -> dict[str, Any]:
    return (await store.get(TOOL, DEPLOYMENT, deployment.id)).data


async def rewrite(store: CountingStore, deployment: Deployment, **changes: Any) -> None:
    """Change a deployment's document like another version would."""
    document = await store.get(TOOL, DEPLOYMENT, deployment.id)
    await store.replace(document, {**document.data, **changes}, document.state)


async def with_run(
    store: CountingStore, deployment: Deployment, **changes: Any
) -> dict[str, dict[str, Any]]:
    return {"web": {**(await data_of(store, deployment))["runs"]["web"], **changes}}


async def test_a_document_with_runs_has_a_form_of_its_own(
    store: CountingStore, rolling_out: Deployment
) -> None:
    assert (await data_of(store, rolling_out))["form"] == FORM == 2


async def test_the_beginning_of_a_run_phase_preserves_what_it_does_not_know_of_the_queue(
    deploy: Deploy, store: CountingStore
) -> None:
    first = await deploy("web")
    queue = await store.get(TOOL, QUEUE, QUEUE)
    assert queue.data["rollout"]["deploy-id"] == first.id
    await store.replace(queue, {**queue.data, "paused": True}, DocumentState.PLAIN)
    second = await deploy("web", force_build=True)
    data = (await store.get(TOOL, QUEUE, QUEUE)).data
    assert (data["paused"], data["rollout"]["deploy-id"]) == (True, second.id)


async def test_unknown_fields_of_a_run_are_preserved_by_a_write(
    engine: Engine, store: CountingStore, runner: ScriptedRunner, rolling_out: Deployment
) -> None:
    runs = await with_run(store, rolling_out, weight=50)
    await rewrite(store, rolling_out, runs=runs, canary="web")
    runner.health.clear()
    assert (await stepped(engine, rolling_out)).status is DeploymentStatus.FINISHED
    data = await data_of(store, rolling_out)
    assert (data["runs"]["web"]["weight"], data["canary"]) == (50, "web")


@pytest.mark.parametrize("how", ["form", "status", "reason", "action", "on-failure"])
async def test_a_run_phase_of_a_newer_version_is_shown_and_not_changed(
    engine: Engine,
    store: CountingStore,
    runner: ScriptedRunner,
    clock: HandClock,
    rolling_out: Deployment,
    how: str,
) -> None:
    changes: dict[str, dict[str, Any]] = {
        "form": {"form": FORM + 1},
        "status": {"runs": await with_run(store, rolling_out, status="SHIFTING")},
        "reason": {"runs": await with_run(store, rolling_out, stop=STOP)},
        "action": {"runs": await with_run(store, rolling_out, action="shift")},
        "on-failure": {"on-failure": "ask"},
    }
    await rewrite(store, rolling_out, **changes[how])
    before = await store.get(TOOL, DEPLOYMENT, rolling_out.id)
    runner.calls.clear()
    clock.turn(3600)
    answer = await show_deployment(engine, TOOL, rolling_out.id)
    assert not answer.value.status.is_final
    assert "a newer version of the service" in answer.warnings[0]
    assert await store.get(TOOL, DEPLOYMENT, rolling_out.id) == before
    assert not runner.calls


async def test_what_is_stored_of_what_ran_before_is_what_is_read(
    store: CountingStore, rolling_out: Deployment, runner: ScriptedRunner
) -> None:
    first = runner.applied[0]
    stored = deployment_of(await store.get(TOOL, DEPLOYMENT, rolling_out.id))
    before = stored.runs["web"].before
    assert before
    assert (before.wanted, before.origin) == (first.wanted, first.origin)
