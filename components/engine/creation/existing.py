"""Builds that the builder has already, whoever started them, as a new deployment uses them."""

import asyncio
import logging
from collections.abc import Collection, Mapping

from backends.builders.base import BuilderError, BuildState, Source
from backends.status import Status
from components.engine.builds.driver import ADOPTED
from components.engine.builds.model import Build
from components.engine.context import Engine
from components.engine.deployments.model import Deployment

logger = logging.getLogger(__name__)


async def existing_builds(
    engine: Engine,
    tool: str,
    wanted: Mapping[str, Source],
    earlier: Collection[Deployment],
    deadline: float,
) -> Mapping[str, Build]:
    """Return builds to use, by component; the ref of each source is its commit.

    The builder is asked once. A build of another deployment is only used once it has finished:
    while it runs, it is that deployment's to cancel. The same holds for all builds of a component
    of which another deployment is building something.
    """
    free = {name: source for name, source in wanted.items() if not _is_being_built(name, earlier)}
    if not free:
        return {}
    try:
        async with asyncio.timeout_at(deadline):
            found = await engine.builder.existing(tool, free)
    except (BuilderError, TimeoutError) as error:
        reason = str(error) or "no response in time"
        logger.warning("looking for builds of %s that exist failed: %s", tool, reason)
        return {}
    except Exception:
        # A bug in the builder costs one more build, but not the deployment.
        logger.exception("looking for builds of %s that exist failed", tool)
        return {}
    used = {
        name: _used(found[name], source, _made_for(found[name], earlier))
        for name, source in free.items()
        if name in found
    }
    return {name: build for name, build in used.items() if build}


def reuse_message(reused: str, build_id: str | None) -> str:
    """Return the message of a build that was made for a deployment, or for none."""
    if reused == build_id:
        return ADOPTED.format(build_id)
    return f"reuses the build of deployment {reused!r}"


def _is_being_built(component: str, earlier: Collection[Deployment]) -> bool:
    return any(
        not build.is_settled and not build.is_adopted
        for each in earlier
        if (build := each.builds.get(component))
    )


def _made_for(state: BuildState, earlier: Collection[Deployment]) -> str | None:
    """Return the deployment for which a build was started, if it is known."""
    for each in earlier:
        for build in each.builds.values():
            if build.id == state.id and not build.is_adopted:
                return build.reused or each.id
    return None


def _used(state: BuildState, source: Source, made_for: str | None) -> Build | None:
    if state.status.is_final:
        usable = state.status is Status.FINISHED and state.image is not None
    else:
        usable = made_for is None
    if not usable:
        return None
    reused = made_for or state.id
    return Build(
        status=state.status,
        id=state.id,
        message=reuse_message(reused, state.id),
        started=state.started,
        ended=state.ended,
        image=state.image,
        digest=state.digest,
        commit=source.ref,
        reused=reused,
    )
