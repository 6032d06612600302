"""Deploying: the deployment is stored first, then all builds start in parallel, independently."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from backends.builders.base import (
    BuilderUnavailable,
    BuildRejected,
    BuildStatus,
    NoFreeSlot,
    Source,
)
from backends.stores.base import DocumentState, NotFound, Unavailable
from components.configuration.problems import InvalidConfiguration
from components.engine.configurations.documents import CONFIGURATION
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.deployments.documents import DEPLOYMENT, deployment_of
from components.engine.deployments.model import DeploymentStatus
from components.engine.deployments.operations import list_deployments
from components.engine.deployments.reconcile import TIMED_OUT
from components.engine.errors import NoConfiguration, NoDeployment, NoSuchTool
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import NOON
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL, component, configuration, reusing
from tests.stores.counting import CountingStore


async def test_deploying_without_a_configuration_is_an_error(engine: Engine) -> None:
    with pytest.raises(NoConfiguration):
        await create_deployment(engine, TOOL)


async def test_the_id_is_tool_deploy_datestamp_and_number(engine: Engine) -> None:
    deployment = (await deployed(engine)).value
    tool, word, stamp, number = deployment.id.rsplit("-", 3)
    assert (tool, word, stamp) == (TOOL, "deploy", "20240404120000")
    assert number.isdigit()
    assert deployment.created == NOON


async def test_creation_times_are_unique_even_if_the_clock_stands_still(
    engine: Engine,
) -> None:
    first = (await deployed(engine)).value
    second = (await create_deployment(engine, TOOL)).value
    assert second.created > first.created == NOON


async def test_a_stored_configuration_that_is_no_longer_valid_is_not_deployed(
    engine: Engine, store: CountingStore
) -> None:
    await store.create(TOOL, CONFIGURATION, CONFIGURATION, {"config": {"components": 5}})
    with pytest.raises(InvalidConfiguration, match="components: must be a mapping"):
        await create_deployment(engine, TOOL)


async def test_all_builds_are_launched_at_once(engine: Engine, builder: ScriptedBuilder) -> None:
    builder.gate.clear()
    names = [f"c{n}" for n in range(50)]
    deploying = asyncio.create_task(deployed(engine, *names))
    await builder.until_waiting(50)
    builder.gate.set()
    deployment = (await deploying).value
    assert builder.most_waiting == 50
    assert [each.component for each in builder.requests] == names
    assert all(build.id for build in deployment.builds.values())
    assert deployment.status is DeploymentStatus.RUNNING


async def test_a_deployment_is_stored_as_open_before_the_first_build_starts(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    builder.gate.clear()
    deploying = asyncio.create_task(deployed(engine))
    await builder.until_waiting(1)
    (document,) = (await store.list(TOOL, DEPLOYMENT)).documents
    assert document.state is DocumentState.OPEN
    assert deployment_of(document).status is DeploymentStatus.PENDING
    builder.gate.set()
    await deploying


async def test_the_outcome_is_stored_once(engine: Engine, store: CountingStore) -> None:
    deployment = (await deployed(engine, "a", "b", "c")).value
    assert store.calls["replace"] == 1
    assert deployment_of(await store.get(TOOL, DEPLOYMENT, deployment.id)) == deployment


async def test_a_deployment_makes_at_most_four_calls_to_the_store(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)
    store.calls.clear()
    await create_deployment(engine, TOOL)
    assert store.calls == {"create": 1, "replace": 1, "list": 2}


async def test_a_deployment_keeps_the_configuration_that_it_was_created_from(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine, "z", "a")
    (document,) = (await store.list(TOOL, DEPLOYMENT)).documents
    assert json.dumps(document.data["config"]) == json.dumps(configuration("z", "a"))


@pytest.mark.parametrize(
    ("build", "source"),
    [
        ({"repository": "https://x.org/a"}, Source("https://x.org/a")),
        (
            {"repository": "https://x.org/a", "ref": "v1", "use_latest_versions": False},
            Source("https://x.org/a", "v1", use_latest_versions=False),
        ),
        (
            {"repository": "https://x.org/a", "use_deprecated_versions": True},
            Source("https://x.org/a", use_deprecated_versions=True),
        ),
    ],
)
async def test_the_build_request_has_the_fields_of_the_configuration_and_no_others(
    engine: Engine, builder: ScriptedBuilder, build: dict[str, Any], source: Source
) -> None:
    await deployed(engine, web={**component(), "build": build})
    (request,) = builder.requests
    assert request.source == source
    assert (request.tool, request.component, request.first_attempt) == (TOOL, "web", NOON)


async def test_a_component_that_reuses_a_build_starts_no_build(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "web", nightly=reusing("web"))).value
    assert [each.component for each in builder.requests] == ["web"]
    builds = deployment.all_builds
    assert builds["nightly"].id == builds["web"].id


async def test_keys_differ_by_component_and_by_deployment(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    await deployed(engine, "a", "b")
    await create_deployment(engine, TOOL)
    assert len({request.key for request in builder.requests}) == 4


async def test_a_rejected_build_is_an_error_with_the_builders_message(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.refusals["bad"] = BuildRejected("ref 'mian' does not exist")
    answer = await deployed(engine, "good", "bad")
    assert answer.errors == ("bad: ref 'mian' does not exist",)
    bad = answer.value.builds["bad"]
    assert (bad.status, bad.message) == (BuildStatus.ERROR, "ref 'mian' does not exist")
    assert answer.value.builds["good"].id


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (NoFreeSlot("four builds run"), "waits for a free slot: four builds run"),
        (BuilderUnavailable("connection refused"), "waits for the builder: connection refused"),
        (RuntimeError("secret"), "waits for the builder: it failed to start this build"),
    ],
)
async def test_a_build_that_cannot_start_now_waits_and_reports_the_reason(
    engine: Engine, builder: ScriptedBuilder, refusal: Exception, message: str
) -> None:
    builder.refusals["late"] = refusal
    answer = await deployed(engine, "good", "late")
    late = answer.value.builds["late"]
    assert (late.status, late.id, late.message) == (BuildStatus.PENDING, None, message)
    assert f"late: {message}" in answer.warnings
    assert answer.value.builds["good"].id


async def test_a_bug_in_the_builder_is_logged(
    engine: Engine, builder: ScriptedBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    builder.refusals["late"] = RuntimeError("secret")
    await deployed(engine, "late")
    assert "secret" in caplog.text


@pytest.mark.looptime
async def test_a_request_waits_for_a_hanging_builder_only_for_its_timeout(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.gate.clear()
    answer = await deployed(engine, "a", "b")
    assert asyncio.get_running_loop().time() == engine.builder_timeout
    assert answer.value.status is DeploymentStatus.PENDING
    assert answer.warnings == (TIMED_OUT.format("the builder"),)
    await engine.tasks.close(engine.limits.start.total_seconds())
    stored = (await list_deployments(engine, TOOL)).value[0]
    assert stored.builds["a"].message == "waits for the builder: it did not respond in time"


async def test_a_launch_continues_after_the_client_has_disconnected(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.gate.clear()
    asking = asyncio.create_task(deployed(engine, "a"))
    await builder.until_waiting(1)
    asking.cancel()
    await asyncio.wait((asking,))
    builder.gate.set()
    await engine.tasks.close(1)
    stored = (await list_deployments(engine, TOOL)).value[0]
    assert stored.builds["a"].id == "build-1"


async def test_a_cancelled_launch_gives_its_claims_back(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.gate.clear()
    asking = asyncio.create_task(deployed(engine, "a"))
    await builder.until_waiting(1)
    await engine.tasks.close()
    assert (await asking).warnings == (TIMED_OUT.format("the builder"),)
    stored = (await list_deployments(engine, TOOL)).value[0]
    assert stored.builds["a"].claim is None
    assert stored.builds["a"].doubt is not None
    builder.gate.set()
    other = replace(engine, instance="other")
    shown = (await show_deployment(other, TOOL, stored.id)).value
    assert shown.builds["a"].id == "build-1"
    assert [request.repeated for request in builder.requests] == [False, True]


async def test_a_deployment_whose_builds_are_all_rejected_is_final_and_sealed_at_once(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    builder.refusals["bad"] = BuildRejected("no")
    deployment = (await deployed(engine, "bad")).value
    assert deployment.status is DeploymentStatus.ERROR
    document = await store.get(TOOL, DEPLOYMENT, deployment.id)
    assert document.state is DocumentState.SEALED


async def test_an_id_that_is_in_use_is_not_used_again(engine: Engine, store: CountingStore) -> None:
    first = (await deployed(engine)).value
    engine.random.seed(1)
    second = (await create_deployment(engine, TOOL)).value
    assert first.id != second.id
    assert store.calls["create"] == 3


async def test_an_unknown_tool_is_an_error(engine: Engine, store: CountingStore) -> None:
    await deployed(engine)

    async def vanish() -> None:
        raise NotFound(TOOL, DEPLOYMENT, "x")

    store.before["create"] = vanish
    with pytest.raises(NoSuchTool):
        await create_deployment(engine, TOOL)


async def test_the_builds_of_a_deployment_that_is_removed_during_its_launch_are_cancelled(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    await deployed(engine)

    async def remove() -> None:
        documents = (await store.list(TOOL, DEPLOYMENT)).documents
        await store.delete(TOOL, DEPLOYMENT, documents[-1].name)

    store.before["replace"] = remove
    with pytest.raises(NoDeployment):
        await create_deployment(engine, TOOL)
    assert builder.cancelled == {"build-2": 1}


async def test_a_deployment_succeeds_even_if_pruning_fails(
    engine: Engine, store: CountingStore
) -> None:
    async def fail() -> None:
        raise Unavailable("connection reset")

    await deployed(engine)

    async def fail_at_the_next() -> None:
        store.before["list"] = fail

    store.before["create"] = fail_at_the_next
    answer = await create_deployment(engine, TOOL)
    assert answer.warnings == (
        "pruning older deployments failed, the next deployment tries again: connection reset",
    )


async def test_the_stored_deployment_is_returned_if_the_launchs_outcome_cannot_be_stored(
    engine: Engine, store: CountingStore
) -> None:
    async def fail() -> None:
        raise Unavailable("connection reset")

    store.before["replace"] = fail
    answer = await deployed(engine)
    assert (
        "the outcome of starting its builds is not known yet: connection reset" in answer.warnings
    )
    assert [each.id for each in (await list_deployments(engine, TOOL)).value] == [answer.value.id]


async def test_the_messages_of_many_builds_are_shortened_to_fit_the_store(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    names = [f"c{n}" for n in range(200)]
    builder.refusals = {name: BuildRejected('"' * 2048) for name in names}
    deployment = (await deployed(engine, *names)).value
    assert deployment.status is DeploymentStatus.ERROR
    assert sum(len(build.message) for build in deployment.builds.values()) <= 128 * 1024
