"""A deployment that is deleted before it has ended starts nothing more, and ends nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from backends.builders.base import BuildStatus, NoFreeSlot
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.model import Deployment
from components.engine.deployments.operations import (
    cancel_deployment,
    delete_deployment,
    list_deployments,
)
from components.engine.deployments.reconcile import reconcile
from components.engine.errors import MadeByNewer, NoDeployment
from components.engine.loop.refreshing import Refresher
from components.engine.queue.reservation import read_snapshot
from tests.builders.scripted import ScriptedBuilder
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL
from tests.stores.counting import CountingStore


@pytest.fixture
async def refresher(engine: Engine) -> AsyncIterator[Refresher]:
    refresher = Refresher(engine)
    yield refresher
    await refresher.close()


async def deleted(engine: Engine, refresher: Refresher, deploy_id: str) -> Deployment:
    answer = await delete_deployment(engine, refresher, TOOL, deploy_id, unfinished=True)
    return answer.value


async def test_what_runs_is_left_alone_and_what_waits_is_never_started(
    engine: Engine, store: CountingStore, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    builder.refusals["b"] = NoFreeSlot("full")
    deployment = (await deployed(engine, "a", "b")).value
    stale = await store.get(TOOL, DEPLOYMENT, deployment.id)
    assert (await deleted(engine, refresher, deployment.id)).builds == deployment.builds
    builder.requests.clear()
    builder.refusals.clear()
    with pytest.raises(NoDeployment):
        await refresher.refresh(stale)
    assert builder.requests == []
    assert not builder.cancelled
    assert (await list_deployments(engine, TOOL)).value == ()


async def test_a_start_that_is_under_way_is_taken_back(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    await deployed(engine, "a")
    builder.gate.clear()
    creating = asyncio.create_task(create_deployment(engine, TOOL))
    await builder.until_waiting(1)
    second = (await list_deployments(engine, TOOL)).value[0]
    await deleted(engine, refresher, second.id)
    builder.gate.set()
    with pytest.raises(NoDeployment):
        await creating
    assert builder.cancelled == {"build-2": 1}


async def test_a_change_at_the_same_moment_does_not_prevent_it(
    engine: Engine, store: CountingStore, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    builder.becomes(BuildStatus.RUNNING)

    async def change() -> None:
        await reconcile(engine, await store.get(TOOL, DEPLOYMENT, deployment.id))

    store.before["delete"] = change
    found = await deleted(engine, refresher, deployment.id)
    assert found.builds["a"].status is BuildStatus.RUNNING
    assert (await list_deployments(engine, TOOL)).value == ()


async def test_the_next_deployment_of_the_queue_starts(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    limited = replace(engine, max_running=1, deployments_kept=10)
    first = (await deployed(limited, "a")).value
    second = (await create_deployment(limited, TOOL)).value
    assert second.queued
    await deleted(limited, refresher, first.id)
    assert not (await show_deployment(limited, TOOL, second.id)).value.queued


async def test_one_that_waits_keeps_no_place_in_the_queue(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    limited = replace(engine, max_running=1, max_queued=1, deployments_kept=10)
    first = (await deployed(limited, "a")).value
    second = (await create_deployment(limited, TOOL)).value
    await deleted(limited, refresher, second.id)
    entries = (await read_snapshot(limited, TOOL)).queue_state.queue.entries
    assert [each.deploy_id for each in entries] == [first.id]
    assert (await create_deployment(limited, TOOL)).value.queued


async def test_one_that_is_being_cancelled_can_be_deleted(
    engine: Engine, refresher: Refresher, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a")).value
    await cancel_deployment(engine, refresher, TOOL, deployment.id)
    assert (await deleted(engine, refresher, deployment.id)).cancel_requested
    with pytest.raises(NoDeployment):
        await deleted(engine, refresher, deployment.id)


async def test_one_of_a_newer_version_is_left_to_that(
    engine: Engine, store: CountingStore, refresher: Refresher
) -> None:
    deployment = (await deployed(engine, "a")).value
    document = await store.get(TOOL, DEPLOYMENT, deployment.id)
    await store.replace(document, {**document.data, "form": 99}, document.state)
    with pytest.raises(MadeByNewer):
        await deleted(engine, refresher, deployment.id)
