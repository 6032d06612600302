"""Deployments made from earlier ones: retry, rollback, and repeated requests."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from backends.builders.base import BuildState, BuildStatus
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment, retry_deployment, roll_back
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.operations import delete_deployment, list_deployments
from components.engine.errors import (
    ImagesGone,
    KeyReused,
    NoDeployment,
    NoDigest,
    NotDeployable,
    NotFinal,
    NothingToRetry,
    TooManyConflicts,
)
from components.engine.loop.refreshing import Refresher
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL, configuration
from tests.stores.counting import CountingStore


async def ended(engine: Engine, builder: ScriptedBuilder, **builds: BuildStatus) -> Deployment:
    """A deployment whose builds have ended with these statuses; the finished ones have an image."""
    deployment = (await deployed(engine, *builds)).value
    for name, status in builds.items():
        build_id = str(deployment.builds[name].id)
        builder.builds[build_id] = BuildState(
            build_id, status, commit="a" * 40, image=f"registry.example.org/{name}:1"
        )
    return (await show_deployment(engine, TOOL, deployment.id)).value


async def test_a_retry_builds_only_unfinished_components_from_the_same_commit(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    earlier = await ended(engine, builder, web=BuildStatus.FINISHED, api=BuildStatus.ERROR)
    await set_configuration(engine, TOOL, configuration("something-else"))
    builder.requests.clear()
    new = (await retry_deployment(engine, TOOL, earlier.id)).value
    assert new.id != earlier.id
    assert new.configuration == earlier.configuration
    assert new.builds["web"].reused == earlier.id
    assert [(each.component, each.source.ref) for each in builder.requests] == [("api", "a" * 40)]


async def test_a_retry_builds_missing_images_again(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    earlier = await ended(engine, builder, web=BuildStatus.FINISHED, api=BuildStatus.ERROR)
    builder.images = set()
    builder.requests.clear()
    await retry_deployment(engine, TOOL, earlier.id)
    assert {each.component for each in builder.requests} == {"web", "api"}


async def test_a_finished_deployment_cannot_be_retried(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    earlier = await ended(engine, builder, web=BuildStatus.FINISHED)
    with pytest.raises(NothingToRetry, match="nothing to retry"):
        await retry_deployment(engine, TOOL, earlier.id)


async def test_a_running_deployment_cannot_be_retried_or_rolled_back_to(engine: Engine) -> None:
    running = (await deployed(engine)).value
    for again in (retry_deployment, roll_back):
        with pytest.raises(NotFinal):
            await again(engine, TOOL, running.id)


async def test_a_rollback_reuses_all_builds_and_builds_nothing(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    earlier = await ended(engine, builder, web=BuildStatus.FINISHED)
    clock.turn(1)
    await deployed(engine, "other")
    builder.requests.clear()
    new = (await roll_back(engine, TOOL, earlier.id, DeployRequest("back"))).value
    assert (new.status, new.description) == (DeploymentStatus.FINISHED, "back")
    assert new.builds["web"].image == earlier.builds["web"].image
    assert new.builds["web"].reused == earlier.id
    assert new.configuration == earlier.configuration
    assert builder.requests == []


async def test_only_a_finished_deployment_can_be_rolled_back_to(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    earlier = await ended(engine, builder, web=BuildStatus.ERROR)
    with pytest.raises(NotDeployable, match="is ERROR: you can roll back only to a FINISHED one"):
        await roll_back(engine, TOOL, earlier.id)


async def test_a_rollback_to_a_missing_image_is_refused(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    earlier = await ended(engine, builder, web=BuildStatus.FINISHED)
    builder.images = set()
    with pytest.raises(ImagesGone, match="no longer exist: web"):
        await roll_back(engine, TOOL, earlier.id)


@pytest.mark.parametrize("which", ["latest", "mytool-deploy-20240404120000-1"])
async def test_a_retry_or_rollback_needs_an_earlier_deployment(engine: Engine, which: str) -> None:
    for again in (retry_deployment, roll_back):
        with pytest.raises(NoDeployment):
            await again(engine, TOOL, which)


async def test_a_repeated_request_returns_the_deployment_of_the_first(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    await set_configuration(engine, TOOL, configuration())
    first = await create_deployment(engine, TOOL, key="one")
    other = replace(engine, instance="other")
    again = await create_deployment(other, TOOL, key="one")
    assert again.value == first.value
    assert again.info == ("this request was made before: this is the deployment that it created",)
    assert len(builder.requests) == 1


async def test_another_key_is_another_deployment(engine: Engine) -> None:
    await set_configuration(engine, TOOL, configuration())
    first = await create_deployment(engine, TOOL, key="one")
    assert (await create_deployment(engine, TOOL, key="two")).value.id != first.value.id


async def test_the_same_key_for_another_request_is_refused(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    earlier = await ended(engine, builder, web=BuildStatus.ERROR)
    await create_deployment(engine, TOOL, key="one")
    with pytest.raises(KeyReused):
        await create_deployment(engine, TOOL, DeployRequest(force_build=True), key="one")
    with pytest.raises(KeyReused):
        await retry_deployment(engine, TOOL, earlier.id, key="one")


async def test_concurrent_repeated_requests_create_one_deployment(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    await set_configuration(engine, TOOL, configuration())
    answers = await asyncio.gather(*(create_deployment(engine, TOOL, key="one") for _ in range(10)))
    assert len({each.value.id for each in answers}) == 1
    assert len(builder.requests) == 1


async def test_a_repeated_request_takes_over_the_reservation_of_a_crashed_one(
    engine: Engine, store: CountingStore
) -> None:
    await set_configuration(engine, TOOL, configuration())

    async def die() -> None:
        raise asyncio.CancelledError

    async def die_at_the_next() -> None:
        store.before["create"] = die

    store.before["create"] = die_at_the_next  # first the queue, then the deployment
    with pytest.raises(asyncio.CancelledError):
        await create_deployment(engine, TOOL, key="one")
    await create_deployment(engine, TOOL, key="one")
    assert len((await list_deployments(engine, TOOL)).value) == 1


async def test_a_key_is_removed_with_its_deployment(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    await set_configuration(engine, TOOL, configuration())
    first = await create_deployment(engine, TOOL, key="one")
    builder.becomes(BuildStatus.FINISHED)
    await show_deployment(engine, TOOL, first.value.id)
    refresher = Refresher(engine)
    await delete_deployment(engine, refresher, TOOL, first.value.id)
    await refresher.close()
    second = await create_deployment(engine, TOOL, DeployRequest("another"), key="one")
    assert second.value.id != first.value.id


@pytest.mark.parametrize("again", [retry_deployment, roll_back])
async def test_an_image_without_a_digest_is_not_deployed_again(
    engine: Engine, builder: ScriptedBuilder, again: Any
) -> None:
    ends = BuildStatus.ERROR if again is retry_deployment else BuildStatus.FINISHED
    earlier = await ended(engine, builder, web=BuildStatus.FINISHED, api=ends)
    builder.unique_images = False
    builder.requests.clear()
    if again is roll_back:
        with pytest.raises(NoDigest, match="no digest for the images of web, api"):
            await roll_back(engine, TOOL, earlier.id)
    else:
        await retry_deployment(engine, TOOL, earlier.id)
        assert {each.component for each in builder.requests} == {"web", "api"}


async def test_an_image_with_a_digest_can_be_deployed_again(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine)).value
    builder.unique_images = False
    builder.builds["build-1"] = BuildState(
        "build-1", BuildStatus.FINISHED, image="registry.example.org/web:latest", digest="sha256:1"
    )
    await show_deployment(engine, TOOL, deployment.id)
    again = (await roll_back(engine, TOOL, deployment.id)).value
    assert again.builds["web"].digest == "sha256:1"


async def test_a_request_that_stalls_before_it_stores_its_deployment_stores_none(
    engine: Engine, store: CountingStore, clock: HandClock
) -> None:
    async def stall() -> None:
        clock.turn(engine.limits.launch.total_seconds() / 2)

    await set_configuration(engine, TOOL, configuration())
    store.before["create"] = stall  # of the queue
    with pytest.raises(TooManyConflicts):
        await create_deployment(engine, TOOL, key="k")
    assert (await list_deployments(engine, TOOL)).value == ()


async def test_a_request_that_stalls_while_it_stores_creates_no_second_deployment_for_its_key(
    engine: Engine, store: CountingStore, clock: HandClock
) -> None:
    await set_configuration(engine, TOOL, configuration())
    made: list[Deployment] = []

    async def stall() -> None:
        # Meanwhile the same request comes again, and its key has expired.
        clock.turn(engine.limits.launch.total_seconds() + 1)
        other = replace(engine, instance="other")
        made.append((await create_deployment(other, TOOL, key="k")).value)

    async def stall_at_the_next() -> None:
        store.before["create"] = stall

    store.before["create"] = stall_at_the_next  # first the queue, then the deployment
    answer = await create_deployment(engine, TOOL, key="k")
    assert answer.value.id == made[0].id
    (late,) = [e for e in (await list_deployments(engine, TOOL)).value if e.id != made[0].id]
    assert late.cancel_requested
    assert late.message == f"the same request created {made[0].id!r}"
