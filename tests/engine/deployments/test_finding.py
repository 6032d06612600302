"""Finding deployments: by id, the latest, all of them, and corrupt ones."""

import pytest

from backends.builders.base import BuildStatus
from backends.stores.base import Corrupt, DocumentState
from components.engine.context import Engine
from components.engine.creation.create import create_deployment, retry_deployment
from components.engine.deployments.documents import DEPLOYMENT
from components.engine.deployments.operations import list_deployments
from components.engine.errors import NoDeployment
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL
from tests.stores.counting import CountingStore


async def test_latest_is_the_newest_deployment(engine: Engine, clock: HandClock) -> None:
    await deployed(engine)
    clock.turn(1)
    newest = (await create_deployment(engine, TOOL)).value
    assert (await show_deployment(engine, TOOL, "latest")).value.id == newest.id


@pytest.mark.parametrize(
    "deploy_id",
    ["latest", "mytool-deploy-20240404120000-1", "config", "other-deploy-20240404120000-1", ""],
)
async def test_a_missing_deployment_is_an_error(engine: Engine, deploy_id: str) -> None:
    with pytest.raises(NoDeployment):
        await show_deployment(engine, TOOL, deploy_id)


async def test_the_error_for_a_tool_without_deployments_says_how_to_create_one(
    engine: Engine,
) -> None:
    with pytest.raises(NoDeployment, match=r"has no deployments yet.* deploy it") as caught:
        await show_deployment(engine, TOOL, "latest")
    assert "removed" not in str(caught.value)
    with pytest.raises(NoDeployment, match="has no deployments yet"):
        await retry_deployment(engine, TOOL, "latest")


async def test_latest_is_the_newest_readable_deployment(
    engine: Engine, store: CountingStore
) -> None:
    good = (await deployed(engine)).value
    newer = {"creation-time": "2099-01-01T00:00:00+00:00"}
    await store.create(TOOL, DEPLOYMENT, "mytool-deploy-20990101000000-1", newer)
    await store.create(TOOL, DEPLOYMENT, "mytool-deploy-20990101000000-2", {})
    assert (await show_deployment(engine, TOOL, "latest")).value == good


async def test_latest_is_corrupt_if_no_deployment_is_readable(
    engine: Engine, store: CountingStore
) -> None:
    await store.create(TOOL, DEPLOYMENT, "mytool-deploy-20240404120000-1", {})
    with pytest.raises(Corrupt):
        await show_deployment(engine, TOOL, "latest")


async def test_an_invalid_id_does_not_reach_the_store(engine: Engine, store: CountingStore) -> None:
    with pytest.raises(NoDeployment):
        await show_deployment(engine, TOOL, "config")
    assert not store.calls


async def test_the_list_has_the_stored_deployments_newest_first(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    first = (await deployed(engine)).value
    clock.turn(1)
    second = (await create_deployment(engine, TOOL)).value
    builder.becomes(BuildStatus.FINISHED)
    assert (await list_deployments(engine, TOOL)).value == (second, first)
    assert builder.asked == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"deploy-id": 1},
        {"deploy-id": "x", "creation-time": "now", "cancel-requested": False, "builds": {}},
        {
            "deploy-id": "x",
            "creation-time": "2024-04-04T12:00:00+00:00",
            "cancel-requested": False,
            "builds": {},
            "config": {"components": {"a": {"build": {"repository": "https://x.org"}}}},
        },
        {
            "deploy-id": "x",
            "creation-time": "2024-04-04T12:00:00+00:00",
            "cancel-requested": False,
            "builds": {},
            "config": {"components": 5},
        },
    ],
)
async def test_a_corrupt_deployment_is_a_warning_and_hides_no_other(
    engine: Engine, store: CountingStore, data: dict[str, object]
) -> None:
    good = (await deployed(engine)).value
    bad = "mytool-deploy-20240404120000-99"
    await store.create(TOOL, DEPLOYMENT, bad, data)
    answer = await list_deployments(engine, TOOL)
    assert answer.value == (good,)
    assert f"deployment '{bad}' of tool 'mytool' is not a deployment" in answer.warnings[0]
    with pytest.raises(Corrupt, match=bad):
        await show_deployment(engine, TOOL, bad)


async def test_fields_of_a_later_version_are_ignored(engine: Engine, store: CountingStore) -> None:
    deployment = (await deployed(engine)).value
    read = await store.get(TOOL, DEPLOYMENT, deployment.id)
    await store.replace(read, {**read.data, "later": 1}, DocumentState.OPEN)
    assert (await show_deployment(engine, TOOL, deployment.id)).value == deployment
