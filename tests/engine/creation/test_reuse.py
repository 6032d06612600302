"""A source that was built before is not built again."""

from dataclasses import replace
from typing import Any

import pytest

from backends.builders.base import BuilderUnavailable, BuildRejected, BuildStatus
from components.engine.cache import BoundedCache
from components.engine.context import Answer, Engine
from components.engine.creation.create import create_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.creation.preview import preview_deployment
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.deployments.operations import list_deployments
from components.engine.errors import UnknownComponents
from tests.builders.scripted import ScriptedBuilder
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL, component, reusing
from tests.stores.counting import CountingStore

ONE, OTHER = "1" * 40, "2" * 40


@pytest.fixture
async def finished(engine: Engine, builder: ScriptedBuilder) -> Deployment:
    """A deployment that has built the current commit of `main`."""
    builder.commits["main"] = ONE
    deployment = (await deployed(engine, "web")).value
    builder.becomes(BuildStatus.FINISHED, image="registry.example.org/web:1")
    return (await show_deployment(engine, TOOL, deployment.id)).value


async def again(engine: Engine, **options: Any) -> Answer[Deployment]:
    return await create_deployment(engine, TOOL, DeployRequest(**options))


async def test_the_same_commit_is_not_built_again_and_the_reuse_is_reported(
    engine: Engine, builder: ScriptedBuilder, finished: Deployment
) -> None:
    answer = await again(engine)
    build = answer.value.builds["web"]
    assert answer.value.status is DeploymentStatus.FINISHED
    assert (build.image, build.commit) == ("registry.example.org/web:1", ONE)
    assert build.reused == finished.id
    assert answer.info == (f"web: reuses the build of deployment {finished.id!r}",)
    assert len(builder.requests) == 1


async def test_a_build_reused_twice_names_the_deployment_that_built_it(
    engine: Engine, finished: Deployment
) -> None:
    await again(engine)
    assert (await again(engine)).value.builds["web"].reused == finished.id


async def test_another_commit_is_built_and_just_that_one(
    engine: Engine, builder: ScriptedBuilder, finished: Deployment
) -> None:
    builder.commits["main"] = OTHER
    build = (await again(engine)).value.builds["web"]
    assert (build.reused, build.commit) == (None, OTHER)
    assert builder.requests[-1].source.ref == OTHER


@pytest.mark.parametrize("option", ["use_latest_versions", "use_deprecated_versions"])
async def test_other_options_are_another_build(
    engine: Engine, finished: Deployment, option: str
) -> None:
    changed = component()
    changed["build"][option] = True
    assert (await deployed(engine, web=changed)).value.builds["web"].reused is None


async def test_another_repository_is_another_build(engine: Engine, finished: Deployment) -> None:
    changed = component()
    changed["build"]["repository"] += "-fork"
    assert (await deployed(engine, web=changed)).value.builds["web"].reused is None


async def test_another_component_of_the_same_source_reuses_the_build_too(
    engine: Engine, finished: Deployment
) -> None:
    assert (await deployed(engine, "worker")).value.builds["worker"].reused == finished.id


async def test_a_build_that_did_not_finish_is_not_reused(
    engine: Engine, builder: ScriptedBuilder
) -> None:
    builder.commits["main"] = ONE
    await deployed(engine, "web")
    builder.becomes(BuildStatus.ERROR, image="registry.example.org/web:1")
    await show_deployment(engine, TOOL, "latest")
    assert (await again(engine)).value.builds["web"].reused is None


async def test_force_build_makes_a_new_build(engine: Engine, finished: Deployment) -> None:
    assert (await again(engine, force_build=True)).value.builds["web"].reused is None


async def test_a_stored_deployment_says_that_everything_was_built_anew(
    engine: Engine, finished: Deployment
) -> None:
    await again(engine, force_build=True)
    uncached = replace(engine, cache=BoundedCache(1, 1))
    newest, oldest = (await list_deployments(uncached, TOOL)).value
    assert newest.force_build
    assert not oldest.force_build


async def test_a_missing_image_is_built_again(
    engine: Engine, builder: ScriptedBuilder, finished: Deployment
) -> None:
    builder.images = set()
    assert (await again(engine)).value.builds["web"].reused is None


@pytest.mark.parametrize(
    "answer",
    [
        BuildRejected("no such ref"),
        BuilderUnavailable("no answer"),
        TimeoutError(),
        RuntimeError("a defect"),
    ],
)
async def test_a_source_whose_commit_cannot_be_resolved_is_built(
    engine: Engine, builder: ScriptedBuilder, finished: Deployment, answer: Exception
) -> None:
    builder.commits["main"] = answer
    build = (await again(engine)).value.builds["web"]
    assert (build.reused, build.commit) == (None, None)
    assert builder.requests[-1].source.ref == "main"


async def test_a_dry_run_reports_the_plan_and_the_reasons_and_stores_nothing(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, finished: Deployment
) -> None:
    builder.commits["next"] = OTHER
    changed = component()
    changed["build"]["ref"] = "next"
    await deployed(engine, "web", api=changed, nightly=reusing("web"))
    store.calls.clear()
    builder.requests.clear()
    answer = await preview_deployment(engine, TOOL, DeployRequest())
    planned = {
        name: (each.action, each.commit, each.reused, each.reason)
        for name, each in answer.value.builds.items()
    }
    assert planned == {
        "web": ("reuse", ONE, finished.id, f"deployment {finished.id!r} built this commit"),
        "api": ("build", OTHER, None, "no stored deployment has a build of this commit"),
        "nightly": ("reuse", ONE, finished.id, "it reuses the build of 'web'"),
    }
    assert store.calls == {"list": 1}
    assert builder.requests == []


async def test_only_the_named_components_and_what_they_reuse_are_deployed(
    engine: Engine,
) -> None:
    await deployed(engine, "web", "api", nightly=reusing("web"))
    answer = await again(engine, components=["nightly"])
    assert list(answer.value.all_builds) == ["web", "nightly"]
    assert set(answer.value.builds) == {"web"}


async def test_unknown_components_are_an_error_with_a_suggestion(engine: Engine) -> None:
    await deployed(engine, "web", "api")
    with pytest.raises(UnknownComponents, match="no component 'wbe': did you mean 'web'"):
        await again(engine, components=["wbe", "api"])


async def test_a_description_stays_with_its_deployment(engine: Engine) -> None:
    await deployed(engine)
    await again(engine, description="the fix")
    assert (await show_deployment(engine, TOOL, "latest")).value.description == "the fix"
