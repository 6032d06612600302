"""Cancelling builds, and querying their status afterwards."""

import asyncio
import logging
from collections.abc import Iterable

from backends.builders.base import BuilderError
from components.engine.builds.asking import Answers, ask
from components.engine.context import Engine
from components.engine.deployments.plan import Plan

logger = logging.getLogger(__name__)


async def cancel_builds(engine: Engine, tool: str, ids: Iterable[str]) -> None:
    """Cancel builds by id. Failures are logged: the next step of the deployment tries again."""
    build_ids = tuple(ids)

    async def cancel(build_id: str) -> None:
        async with engine.breaker.guard(tool, engine.builder_timeout / 2):
            await engine.builder.cancel(tool, build_id)

    outcomes = await asyncio.gather(*map(cancel, build_ids), return_exceptions=True)
    for build_id, failure in zip(build_ids, outcomes, strict=True):
        if isinstance(failure, BuilderError | TimeoutError):
            reason = str(failure) or "no response in time"
            logger.warning("cancelling build %s of %s failed: %s", build_id, tool, reason)
        elif failure is not None:
            logger.error("cancelling build %s of %s failed", build_id, tool, exc_info=failure)


async def stop_planned(engine: Engine, plan: Plan) -> Answers:
    """Cancel the builds that the plan cancels, and query their status at once."""
    if not plan.cancel:
        return Answers()
    builds = [plan.deployment.builds[name] for name in plan.cancel]
    ids = [build.build_id for build in builds if build.build_id is not None]
    await cancel_builds(engine, plan.deployment.tool, ids)
    return await ask(engine, plan.deployment, plan.cancel, engine.builder_timeout / 2)
