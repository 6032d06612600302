"""Reusing builds: the same source, at the same commit, with the same options."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from backends.builders.base import BuilderError, Source
from backends.status import Status
from components.engine.builds.model import Build
from components.engine.context import Engine
from components.engine.creation.existing import existing_builds, reuse_message
from components.engine.deployments.model import Deployment

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to build or reuse one component, and why; `build` is as it would be stored."""

    build: Build
    reason: str

    @property
    def is_reuse(self) -> bool:
        """Whether an earlier build is used instead of a new one."""
        return self.build.reused is not None


def has_stable_image(engine: Engine, build: Build) -> bool:
    """Whether no later build can overwrite this build's image, by its digest or unique name."""
    return build.digest is not None or engine.builder.unique_images


def as_reused(build: Build, deploy_id: str) -> Build:
    """Return a finished build as another deployment reuses it."""
    built_by = build.reused or deploy_id
    return replace(build, reused=built_by, message=reuse_message(built_by, build.id))


async def decide(
    engine: Engine,
    tool: str,
    wanted: Mapping[str, Source],
    earlier: Collection[Deployment],
    *,
    force: bool = False,
) -> Mapping[str, Decision]:
    """Return what to build and what to reuse, by component; `earlier` has the newest first.

    The builder resolves each source's commit. A source that it cannot resolve is built: the build
    itself then reports the error. What no deployment has built may be known to the builder, which
    is asked once. All calls together may take the engine's `builder_timeout`, and resolving the
    commits half of it.
    """
    now = asyncio.get_running_loop().time()
    deadline = now + engine.builder_timeout
    distinct = tuple(dict.fromkeys(wanted.values()))
    answers = await asyncio.gather(
        *(_resolve(engine, tool, each, now + engine.builder_timeout / 2) for each in distinct)
    )
    commits = dict(zip(distinct, answers, strict=True))
    decided = await asyncio.gather(
        *(
            _decide(engine, tool, source, *commits[source], earlier, force, deadline)
            for source in wanted.values()
        )
    )
    decisions = dict(zip(wanted, decided, strict=True))
    if force:
        return decisions
    to_build = {
        name: replace(wanted[name], ref=decision.build.commit)
        for name, decision in decisions.items()
        if decision.build.commit and not decision.is_reuse
    }
    existing = await existing_builds(engine, tool, to_build, earlier, deadline)
    return {**decisions, **{name: Decision(each, each.message) for name, each in existing.items()}}


async def missing_images(engine: Engine, tool: str, images: Iterable[str]) -> frozenset[str]:
    """Return the images that the builder reports as missing."""
    named = tuple(set(images))
    deadline = asyncio.get_running_loop().time() + engine.builder_timeout / 2
    answers = await asyncio.gather(*(_has_image(engine, tool, each, deadline) for each in named))
    return frozenset(each for each, exists in zip(named, answers, strict=True) if exists is False)


async def _decide(
    engine: Engine,
    tool: str,
    source: Source,
    commit: str | None,
    unknown: str,
    earlier: Collection[Deployment],
    force: bool,
    deadline: float,
) -> Decision:
    new = Build(commit=commit)
    if force:
        return Decision(new, "a new build was requested")
    if commit is None:
        return Decision(new, unknown)
    reason = "no stored deployment has a build of this commit"
    for build, deploy_id in _built(earlier, source, commit):
        if not has_stable_image(engine, build):
            reason = f"a later build may have overwritten the image of deployment {deploy_id!r}"
            continue
        if build.image and await _has_image(engine, tool, build.image, deadline) is False:
            reason = f"the image that deployment {deploy_id!r} built no longer exists"
            continue
        found = as_reused(build, deploy_id)
        return Decision(found, f"deployment {found.reused!r} built this commit")
    return Decision(new, reason)


def _built(
    earlier: Iterable[Deployment], source: Source, commit: str
) -> Iterator[tuple[Build, str]]:
    """Yield the finished builds of a commit, and the deployments that have them."""
    for deployment in earlier:
        for name, each in deployment.sources.items():
            build = deployment.builds[name]
            same = replace(each, ref=None) == replace(source, ref=None) and build.commit == commit
            if same and build.status is Status.FINISHED and build.image:
                yield build, deployment.id


async def _resolve(
    engine: Engine, tool: str, source: Source, deadline: float
) -> tuple[str | None, str]:
    """Return the commit, or None and why it is not known."""
    try:
        async with asyncio.timeout_at(deadline):
            commit = await engine.builder.resolve(tool, source)
    except (BuilderError, TimeoutError) as error:
        return None, f"its commit could not be resolved: {str(error) or 'no response in time'}"
    except Exception:
        # A bug in the builder costs one more build, but not the deployment.
        logger.exception("resolving a source of %s failed", tool)
        return None, "its commit could not be resolved: the builder failed"
    return commit, "this builder cannot resolve the commit before it builds"


async def _has_image(engine: Engine, tool: str, image: str, deadline: float) -> bool | None:
    try:
        async with asyncio.timeout_at(deadline):
            return await engine.builder.has_image(tool, image)
    except (BuilderError, TimeoutError):
        return None
    except Exception:
        logger.exception("querying an image of %s failed", tool)
        return None
