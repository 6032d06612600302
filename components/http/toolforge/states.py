"""The states of deployments, builds and runs as this interface names them."""

from datetime import datetime
from enum import StrEnum

from backends.status import Status
from components.engine.builds.model import Build
from components.engine.deployments.model import Deployment, DeploymentStatus
from components.engine.runs.model import Run


class DeploymentState(StrEnum):
    """The state of a deployment."""

    PENDING = "pending"
    RUNNING = "running"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SUCCESSFUL = "successful"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class BuildState(StrEnum):
    """The state of a build. `unknown` never occurs: a build that cannot be asked for keeps its."""

    PENDING = "pending"
    RUNNING = "running"
    FAILED = "failed"
    SUCCESSFUL = "successful"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class RunState(StrEnum):
    """The state of a run. There is none for what is being rolled out: that is `pending`."""

    PENDING = "pending"
    FAILED = "failed"
    SUCCESSFUL = "successful"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


_DEPLOYMENT_STATES = {
    DeploymentStatus.PENDING: DeploymentState.PENDING,
    DeploymentStatus.RUNNING: DeploymentState.RUNNING,
    DeploymentStatus.FINISHED: DeploymentState.SUCCESSFUL,
    DeploymentStatus.ERROR: DeploymentState.FAILED,
    DeploymentStatus.CANCELLED: DeploymentState.CANCELLED,
}

_BUILD_STATES = {
    Status.PENDING: BuildState.PENDING,
    Status.RUNNING: BuildState.RUNNING,
    Status.FINISHED: BuildState.SUCCESSFUL,
    Status.ERROR: BuildState.FAILED,
    Status.CANCELLED: BuildState.CANCELLED,
}

_RUN_STATES = {
    Status.PENDING: RunState.PENDING,
    Status.RUNNING: RunState.PENDING,
    Status.FINISHED: RunState.SUCCESSFUL,
    Status.ERROR: RunState.FAILED,
    Status.CANCELLED: RunState.SKIPPED,
}


def deployment_state(deployment: Deployment) -> DeploymentState:
    """Return the state of a deployment."""
    if deployment.timed_out:
        return DeploymentState.TIMED_OUT
    if deployment.cancel_requested and not deployment.status.is_final:
        return DeploymentState.CANCELLING
    return _DEPLOYMENT_STATES[deployment.status]


def build_state(build: Build, created: datetime) -> BuildState:
    """Return the state of a component's own build in a deployment that was `created` then.

    One of others that was there already is skipped, but not one that was still waited for.
    """
    was_awaited = build.ended is not None and build.ended > created
    if build.reused and build.status is Status.FINISHED and not was_awaited:
        return BuildState.SKIPPED
    return _BUILD_STATES[build.status]


def run_state(run: Run) -> RunState:
    """Return the state of a component's run."""
    return _RUN_STATES[run.visible_status]
