"""The log line for a deployment that has ended, written by the instance that stored its end."""

import logging

from backends.builders.base import BuildStatus
from components.engine.deployments.model import Build, Deployment, DeploymentStatus

logger = logging.getLogger(__name__)

MAX_NAMED = 10
"""How many unfinished builds the line names; it gives only the number of the others."""

MAX_REASON_LENGTH = 200
"""How many characters of each build's message the line has."""


def log_end(deployment: Deployment) -> None:
    """Log how a deployment has ended, and which builds did not finish."""
    failed = deployment.status is DeploymentStatus.ERROR
    logger.log(
        logging.WARNING if failed else logging.INFO,
        "deployment %s of tool %s has ended: %s%s",
        deployment.id,
        deployment.tool,
        deployment.status,
        _details(deployment),
    )


def _details(deployment: Deployment) -> str:
    unfinished = {
        name: build
        for name, build in deployment.builds.items()
        if build.status is not BuildStatus.FINISHED
    }
    # The failed builds come first: the line may have no room for the others.
    first = sorted(unfinished, key=lambda name: unfinished[name].status is not BuildStatus.ERROR)
    parts = [deployment.message] if deployment.message else []
    parts += [f"{name} {_status_text(unfinished[name])}" for name in first[:MAX_NAMED]]
    if len(first) > MAX_NAMED:
        parts.append(f"and {len(first) - MAX_NAMED} more")
    return f": {'; '.join(parts)}" if parts else ""


def _status_text(build: Build) -> str:
    message = build.message[:MAX_REASON_LENGTH]
    return f"{build.status} ({message})" if message else str(build.status)
