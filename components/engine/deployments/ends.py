"""The log line of a deployment that has ended, written by the instance that stored its end."""

import logging

from backends.status import Status
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.steps.model import Step

logger = logging.getLogger(__name__)

MAX_NAMED = 10
"""How many unfinished steps the line names; it gives only the number of the others."""

MAX_REASON_LENGTH = 200
"""How many characters of the message of each."""


def log_end(deployment: Deployment) -> None:
    """Say in the log how a deployment has ended, and what did not finish."""
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
    # Where builds did not finish, that is why the runs did not.
    steps = deployment.runs if deployment.is_built else deployment.builds
    unfinished = {name: step for name, step in steps.items() if step.status is not Status.FINISHED}
    # Of a failed deployment, what failed comes first: the others may be as many.
    first = sorted(unfinished, key=lambda name: unfinished[name].status is not Status.ERROR)
    parts = [deployment.message] if deployment.message else []
    parts += [f"{name} {_how(unfinished[name])}" for name in first[:MAX_NAMED]]
    if len(first) > MAX_NAMED:
        parts.append(f"and {len(first) - MAX_NAMED} more")
    return f": {'; '.join(parts)}" if parts else ""


def _how(step: Step) -> str:
    message = step.message[:MAX_REASON_LENGTH]
    return f"{step.status} ({message})" if message else str(step.status)
