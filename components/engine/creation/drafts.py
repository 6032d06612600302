"""Drafts of deployments, from the stored configuration or from an earlier deployment."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backends.status import Status
from components.configuration.sources import selected, sources
from components.engine.builds.model import Build
from components.engine.configurations.documents import Configuration
from components.engine.context import Answer, Engine
from components.engine.creation.checks import check_runs
from components.engine.creation.existing import existing_builds
from components.engine.creation.reuse import (
    Decision,
    as_reused,
    decide,
    has_stable_image,
    missing_images,
)
from components.engine.deployments.finding import LATEST
from components.engine.deployments.model import Deployment, DeploymentStatus, OnFailure
from components.engine.errors import (
    ImagesGone,
    NoDeployment,
    NoDeploymentYet,
    NoDigest,
    NotDeployable,
    NotFinal,
    NothingToRetry,
    UnknownComponents,
)
from components.engine.queue.reservation import Snapshot
from components.engine.queue.state import WhenBusy
from components.engine.threads import run_in_thread


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """The options of a new deployment; if it names `components`, it has only those.

    `permitted`, if not None, are the only components that the caller may deploy.
    """

    description: str = ""
    components: Sequence[str] = ()
    force_build: bool = False
    force_run: bool = False
    on_failure: OnFailure = OnFailure.PUT_BACK
    when_busy: WhenBusy = WhenBusy.QUEUE
    permitted: tuple[str, ...] | None = None


DEFAULTS = DeployRequest()


@dataclass(frozen=True, slots=True)
class Draft:
    """A deployment before it has an id: its configuration, and the decision for each build."""

    configuration: Mapping[str, Any]
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    selected: bool = False
    warnings: tuple[str, ...] = ()
    info: tuple[str, ...] = ()

    @property
    def builds(self) -> Mapping[str, Build]:
        """The builds as they are first stored."""
        return {name: each.build for name, each in self.decisions.items()}


async def draft_of_configuration(
    engine: Engine, snapshot: Snapshot, current: Answer[Configuration], options: DeployRequest
) -> Draft:
    """Return a draft from the current configuration, which is valid.

    Raises `UnknownComponents` and what the runner's check of a configuration raises.
    """
    configuration = current.value.value
    if options.components:
        unknown = [each for each in options.components if each not in configuration["components"]]
        if unknown:
            raise UnknownComponents(unknown, configuration["components"])
        configuration = selected(configuration, options.components)
    warnings = await run_in_thread(check_runs, engine.runner, snapshot.tool, configuration)
    decisions = await decide(
        engine,
        snapshot.tool,
        sources(configuration),
        snapshot.newest_first,
        force=options.force_build,
    )
    return Draft(
        configuration,
        decisions,
        bool(options.components),
        (*current.warnings, *warnings),
        current.info,
    )


async def draft_of_retry(engine: Engine, snapshot: Snapshot, deploy_id: str) -> Draft:
    """Return a draft that builds what did not finish in a deployment, and reuses the rest.

    Raises `NoDeployment`, `NotFinal`, `NothingToRetry`.
    """
    earlier = _find(snapshot, deploy_id)
    if earlier.status is DeploymentStatus.FINISHED:
        raise NothingToRetry(earlier.id)
    finished = {
        name: build for name, build in earlier.builds.items() if build.status is Status.FINISHED
    }
    images = [build.image for build in finished.values() if build.image]
    gone = await missing_images(engine, snapshot.tool, images)
    existing = await _still_existing(engine, snapshot, earlier, finished)
    decisions = {}
    for name, build in earlier.builds.items():
        if name not in finished:
            decisions[name] = _rebuilt(build, f"it ended as {build.status}")
        elif build.image in gone:
            decisions[name] = _rebuilt(build, "its image no longer exists")
        elif name in existing:
            decisions[name] = Decision(existing[name], existing[name].message)
        elif not has_stable_image(engine, build):
            decisions[name] = _rebuilt(build, "a later build may have overwritten its image")
        else:
            decisions[name] = _reused(build, earlier)
    warnings = await run_in_thread(check_runs, engine.runner, snapshot.tool, earlier.configuration)
    return Draft(earlier.configuration, decisions, earlier.selected, warnings)


async def draft_of_rollback(engine: Engine, snapshot: Snapshot, deploy_id: str) -> Draft:
    """Return a draft that reuses all the builds of an earlier deployment.

    Raises `NoDeployment`, `NotFinal`, `NotDeployable`, `NoDigest`, `ImagesGone`.
    """
    earlier = _find(snapshot, deploy_id)
    if earlier.status is not DeploymentStatus.FINISHED:
        raise NotDeployable(earlier.id, earlier.status)
    overwritable = [
        name for name, build in earlier.builds.items() if not has_stable_image(engine, build)
    ]
    if overwritable:
        raise NoDigest(earlier.id, overwritable)
    images = {name: build.image for name, build in earlier.builds.items() if build.image}
    gone = await missing_images(engine, snapshot.tool, images.values())
    if gone:
        raise ImagesGone(earlier.id, [name for name, image in images.items() if image in gone])
    decisions = {name: _reused(build, earlier) for name, build in earlier.builds.items()}
    warnings = await run_in_thread(check_runs, engine.runner, snapshot.tool, earlier.configuration)
    return Draft(earlier.configuration, decisions, earlier.selected, warnings)


async def _still_existing(
    engine: Engine, snapshot: Snapshot, earlier: Deployment, finished: Mapping[str, Build]
) -> Mapping[str, Build]:
    """Return finished builds, of those whose images have no stable name, that the builder has."""
    wanted = {
        name: replace(earlier.sources[name], ref=build.commit)
        for name, build in finished.items()
        if build.commit and not has_stable_image(engine, build)
    }
    deadline = asyncio.get_running_loop().time() + engine.builder_timeout / 2
    return await existing_builds(engine, snapshot.tool, wanted, snapshot.newest_first, deadline)


def _find(snapshot: Snapshot, deploy_id: str) -> Deployment:
    deployments = snapshot.queue_state.deployments
    if deploy_id == LATEST:
        if not deployments:
            raise NoDeploymentYet(snapshot.tool)
        deploy_id = snapshot.newest_first[0].id
    if deploy_id not in deployments:
        raise NoDeployment(snapshot.tool, deploy_id)
    earlier = deployments[deploy_id]
    if not earlier.status.is_final:
        raise NotFinal(earlier.id, earlier.status)
    return earlier


def _reused(build: Build, earlier: Deployment) -> Decision:
    return Decision(as_reused(build, earlier.id), f"deployment {earlier.id!r} built it")


def _rebuilt(build: Build, why: str) -> Decision:
    return Decision(Build(commit=build.commit), why)
