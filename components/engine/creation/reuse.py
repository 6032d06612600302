"""What need not be built again: the same source, at the same commit, with the same options."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from backends.builders.base import BuilderError, Source
from backends.status import Status
from components.engine.builds.model import Build
from components.engine.context import Engine
from components.engine.deployments.model import Deployment

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of one component's build, and why; `build` is as it would be stored."""

    build: Build
    reason: str

    @property
    def is_reuse(self) -> bool:
        """Whether an earlier build is used instead of a new one."""
        return self.build.reused is not None


def is_lasting(engine: Engine, build: Build) -> bool:
    """Whether an image is for ever what this build has made: by its digest, or by its name."""
    return build.digest is not None or engine.builder.unique_images


def reusing(build: Build, deploy_id: str) -> Build:
    """Return a build that has finished as another deployment uses it."""
    made_for = build.reused or deploy_id
    return replace(build, reused=made_for, message=f"reuses the build of deployment {made_for!r}")


async def decide(
    engine: Engine,
    tool: str,
    wanted: Mapping[str, Source],
    earlier: Collection[Deployment],
    *,
    force: bool = False,
) -> Mapping[str, Decision]:
    """Return what to build and what to reuse, by component; `earlier` has the newest first.

    The builder resolves each source's commit. One that it cannot resolve is built: whether that is
    an error, the build itself finds out. All its answers together are waited for as long as an
    engine's `builder_timeout`, and commits for half of that.
    """
    now = asyncio.get_running_loop().time()
    distinct = tuple(dict.fromkeys(wanted.values()))
    answers = await asyncio.gather(
        *(_resolve(engine, tool, each, now + engine.builder_timeout / 2) for each in distinct)
    )
    commits = dict(zip(distinct, answers, strict=True))
    decided = await asyncio.gather(
        *(
            _decide(
                engine, tool, source, *commits[source], earlier, force, now + engine.builder_timeout
            )
            for source in wanted.values()
        )
    )
    return dict(zip(wanted, decided, strict=True))


async def gone_images(engine: Engine, tool: str, images: Iterable[str]) -> frozenset[str]:
    """Return those images of which the builder knows that they are gone."""
    named = tuple(set(images))
    until = asyncio.get_running_loop().time() + engine.builder_timeout / 2
    answers = await asyncio.gather(*(_has_image(engine, tool, each, until) for each in named))
    return frozenset(each for each, there in zip(named, answers, strict=True) if there is False)


async def _decide(
    engine: Engine,
    tool: str,
    source: Source,
    commit: str | None,
    unknown: str,
    earlier: Collection[Deployment],
    force: bool,
    until: float,
) -> Decision:
    new = Build(commit=commit)
    if force:
        return Decision(new, "a new build was asked for")
    if commit is None:
        return Decision(new, unknown)
    reason = "no build of this commit is kept"
    for build, deploy_id in _built(earlier, source, commit):
        if not is_lasting(engine, build):
            reason = f"a later build may have taken the image of deployment {deploy_id!r}"
            continue
        if build.image and await _has_image(engine, tool, build.image, until) is False:
            reason = f"the image that deployment {deploy_id!r} has built is gone"
            continue
        found = reusing(build, deploy_id)
        return Decision(found, f"deployment {found.reused!r} has built this commit")
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
    engine: Engine, tool: str, source: Source, until: float
) -> tuple[str | None, str]:
    """Return the commit, or None and why it is not known."""
    try:
        async with asyncio.timeout_at(until):
            commit = await engine.builder.resolve(tool, source)
    except (BuilderError, TimeoutError) as error:
        return None, f"its commit could not be found out: {str(error) or 'no answer in time'}"
    except Exception:
        # A defect of the builder costs a build, and not the deployment.
        logger.exception("resolving a source of %s failed", tool)
        return None, "its commit could not be found out: the builder failed"
    return commit, "this builder cannot tell the commit before it builds"


async def _has_image(engine: Engine, tool: str, image: str, until: float) -> bool | None:
    try:
        async with asyncio.timeout_at(until):
            return await engine.builder.has_image(tool, image)
    except (BuilderError, TimeoutError):
        return None
    except Exception:
        logger.exception("asking for an image of %s failed", tool)
        return None
