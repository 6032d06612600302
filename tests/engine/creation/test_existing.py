"""A build that the builder has already is used, whoever started it."""

from dataclasses import replace
from typing import Any

import pytest

from backends.builders.base import BuilderUnavailable, BuildState, BuildStatus
from components.engine.context import Answer, Engine
from components.engine.creation.create import create_deployment, retry_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.creation.preview import preview_deployment
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.operations import cancel_deployment
from components.engine.loop.refreshing import Refresher
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import NOON, HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL, component
from tests.stores.counting import CountingStore

COMMIT = "1" * 40
WORDS = "uses build 'theirs', which this service did not start or no longer knows"
FINISHED = BuildState("theirs", BuildStatus.FINISHED, image="registry.example.org/web:latest")
RUNNING = BuildState("theirs", BuildStatus.RUNNING, "its log: there", started=NOON, commit=COMMIT)


@pytest.fixture(autouse=True)
def _resolved(builder: ScriptedBuilder) -> None:
    """All refs resolve to one commit, and images have names that later builds take over."""
    builder.commits["main"] = COMMIT
    builder.unique_images = False


async def shown(engine: Engine) -> Deployment:
    return (await show_deployment(engine, TOOL, "latest")).value


async def again(engine: Engine, **options: Any) -> Answer[Deployment]:
    return await create_deployment(engine, TOOL, DeployRequest(**options))


async def test_a_finished_build_is_used_and_named(engine: Engine, builder: ScriptedBuilder) -> None:
    builder.existing_builds = {"web": FINISHED}
    answer = await deployed(engine, "web")
    build = answer.value.builds["web"]
    assert answer.value.status is DeploymentStatus.FINISHED
    assert (build.id, build.image, build.commit) == ("theirs", FINISHED.image, COMMIT)
    assert (build.reused, build.message) == ("theirs", WORDS)
    assert answer.info == (f"web: {WORDS}",)
    assert builder.requests == []


async def test_a_build_that_still_runs_is_waited_for(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.existing_builds = {"web": RUNNING}
    deployment = (await deployed(engine, "web")).value
    assert deployment.status is DeploymentStatus.RUNNING
    builder.builds["theirs"] = RUNNING
    assert (await shown(engine)).builds["web"].message == f"{WORDS}; its log: there"
    builder.becomes(BuildStatus.FINISHED, "theirs", image="registry.example.org/web:latest")
    ended = await shown(engine)
    assert ended.status is DeploymentStatus.FINISHED
    assert ended.builds["web"].message == WORDS
    assert builder.requests == []


async def test_cancelling_a_deployment_leaves_a_build_alone_that_others_started(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.existing_builds = {"web": RUNNING}
    builder.builds["theirs"] = RUNNING
    first = (await deployed(engine, "web")).value
    second = (await again(engine)).value
    assert second.builds["web"].id == "theirs"
    refresher = Refresher(engine)
    await cancel_deployment(engine, refresher, TOOL, first.id)
    await refresher.close()
    assert builder.cancelled == {}
    cancelled = (await show_deployment(engine, TOOL, first.id)).value
    assert cancelled.is_settled
    assert cancelled.status is DeploymentStatus.CANCELLED
    assert (await shown(engine)).status is DeploymentStatus.RUNNING


async def test_a_build_that_takes_too_long_is_left_alone_too(
    engine: Engine, builder: ScriptedBuilder, clock: HandClock
) -> None:
    builder.existing_builds = {"web": replace(RUNNING, started=clock())}
    builder.builds["theirs"] = replace(RUNNING, started=clock())
    await deployed(engine, "web")
    for _ in range(7):
        clock.turn(engine.limits.build.total_seconds() / 6)
        ended = await shown(engine)
    assert ended.builds["web"].status is BuildStatus.ERROR
    assert ended.is_settled
    assert builder.cancelled == {}


async def test_a_build_that_its_owner_cancels_is_built_again(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.existing_builds = {"web": RUNNING}
    builder.builds["theirs"] = replace(RUNNING, status=BuildStatus.CANCELLED)
    await deployed(engine, "web")
    build = (await shown(engine)).builds["web"]
    assert (build.id, build.reused) == ("build-1", None)
    assert builder.requests[-1].source.ref == COMMIT


async def test_a_build_that_the_builder_loses_is_built_again(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.existing_builds = {"web": RUNNING}
    builder.builds["theirs"] = replace(RUNNING, status=BuildStatus.ERROR, lost=True)
    await deployed(engine, "web")
    assert (await shown(engine)).builds["web"].reused is None


async def test_a_build_that_fails_fails_the_deployment(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.existing_builds = {"web": RUNNING}
    builder.builds["theirs"] = replace(RUNNING, status=BuildStatus.ERROR, message="no space")
    await deployed(engine, "web")
    ended = await shown(engine)
    assert ended.status is DeploymentStatus.ERROR
    assert ended.builds["web"].message == f"{WORDS}; no space"


async def test_the_builder_is_asked_once_and_only_for_what_would_be_built(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.commits["gone"] = BuilderUnavailable("no answer")
    unknown = component()
    unknown["build"]["ref"] = "gone"
    await deployed(engine, "web", "api", unknown=unknown)
    assert [sorted(each) for each in builder.looked_for] == [["api", "web"]]
    assert {source.ref for source in builder.looked_for[0].values()} == {COMMIT}


async def test_force_build_asks_for_nothing(engine: Engine, builder: ScriptedBuilder) -> None:
    builder.existing_builds = {"web": FINISHED}
    await deployed(engine, "web")
    builder.looked_for.clear()
    assert (await again(engine, force_build=True)).value.builds["web"].reused is None
    assert builder.looked_for == []


@pytest.mark.parametrize("error", [BuilderUnavailable("away"), TimeoutError(), RuntimeError("x")])
async def test_a_builder_that_cannot_say_builds(
    engine: Engine, builder: ScriptedBuilder, error: Exception
) -> None:
    builder.existing_builds = error
    assert (await deployed(engine, "web")).value.builds["web"].id == "build-1"


@pytest.mark.parametrize(
    "useless",
    [
        replace(FINISHED, image=None),
        replace(FINISHED, status=BuildStatus.ERROR),
        replace(FINISHED, status=BuildStatus.CANCELLED),
    ],
)
async def test_a_build_without_an_image_is_not_used(
    engine: Engine, builder: ScriptedBuilder, useless: BuildState
) -> None:
    builder.existing_builds = {"web": useless}
    assert (await deployed(engine, "web")).value.builds["web"].id == "build-1"


async def test_while_another_deployment_builds_a_component_no_build_of_it_is_used(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine, "web")).value
    builder.existing_builds = {"web": FINISHED}
    assert (await again(engine)).value.builds["web"].id == "build-2"
    builder.existing_builds = {"web": builder.builds["build-1"]}
    assert first.builds["web"].id == "build-1"
    assert (await again(engine)).value.builds["web"].id == "build-3", "nobody else waits for it"


async def test_a_build_of_an_earlier_deployment_names_it(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine, "web")).value
    builder.becomes(BuildStatus.FINISHED, image="registry.example.org/web:latest")
    await shown(engine)
    builder.existing_builds = {"web": builder.builds["build-1"]}
    build = (await again(engine)).value.builds["web"]
    assert (build.id, build.reused) == ("build-1", first.id)
    assert build.message == f"reuses the build of deployment {first.id!r}"


async def test_a_retry_uses_what_the_builder_still_has(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    first = (await deployed(engine, "web", "api")).value
    ids = {name: build.id or "" for name, build in first.builds.items()}
    builder.becomes(BuildStatus.FINISHED, ids["web"], image="registry.example.org/web:latest")
    builder.becomes(BuildStatus.ERROR, ids["api"])
    await shown(engine)
    builder.existing_builds = {"web": builder.builds[ids["web"]]}
    builds = (await retry_deployment(engine, TOOL, first.id)).value.builds
    assert (builds["web"].reused, builds["api"].reused) == (first.id, None)


async def test_a_dry_run_says_so_and_stores_nothing(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    await deployed(engine, "web")
    builder.becomes(BuildStatus.FINISHED, image="registry.example.org/web:latest")
    await shown(engine)
    store.calls.clear()
    builder.existing_builds = {"web": FINISHED}
    planned = (await preview_deployment(engine, TOOL, DeployRequest())).value.builds["web"]
    assert (planned.action, planned.reused, planned.reason) == ("reuse", "theirs", WORDS)
    assert store.calls == {"list": 1}
