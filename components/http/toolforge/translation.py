"""A deployment as this interface shows it."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC
from typing import Any

from components.configuration.sources import reuses
from components.engine.builds.model import Build
from components.engine.deployments.model import Deployment
from components.http.toolforge.sentences import long_status
from components.http.toolforge.states import (
    BuildState,
    DeploymentState,
    RunState,
    build_state,
    deployment_state,
    run_state,
)

NO_ID_YET = "no-id-yet"
"""The id of a build that no builder has accepted."""

NO_BUILD_NEEDED = "no-build-needed"
"""The id of the build of a component that uses another's."""

NO_IMAGE_YET = "no-image-yet"
TIME_FORMAT = "%Y%m%d-%H%M%S"

MAX_CONFIGURATIONS = 4 * 1024 * 1024
"""How many characters the deployments of a list have that have their configuration."""

NOTHING_RUNS = "this service only builds, so nothing is started"
"""What the run of a component says where the service has no runner."""


def deployment_json(deployment: Deployment, state: DeploymentState | None = None) -> str:
    """Return a deployment as JSON, in its state, or in the `state` that it was in."""
    return json.dumps(deployment_data(deployment, state))


async def deployments_json(newest_first: Iterable[Deployment]) -> str:
    """Return deployments as JSON, the oldest first; the loop serves others in between.

    Only the newest have their configurations, up to `MAX_CONFIGURATIONS`.
    """
    texts, left = [], MAX_CONFIGURATIONS
    for each in newest_first:
        data = deployment_data(each)
        text = json.dumps(data)
        if len(text) > left:
            text = json.dumps(data | {"tool_config": None})
        else:
            left -= len(text)
        texts.append(text)
        await asyncio.sleep(0)
    return f'{{"deployments": [{", ".join(reversed(texts))}]}}'


def deployment_data(deployment: Deployment, state: DeploymentState | None = None) -> dict[str, Any]:
    """Return a deployment in the form of `schemas.DeploymentSchema`."""
    return {
        "deploy_id": deployment.id,
        "creation_time": f"{deployment.created.astimezone(UTC):{TIME_FORMAT}}",
        "description": deployment.description,
        "status": state or deployment_state(deployment),
        "long_status": long_status(deployment, state),
        "builds": _builds(deployment),
        "runs": _runs(deployment),
        "tool_config": deployment.configuration,
        "force_build": deployment.force_build,
        "force_run": deployment.force_run,
    }


def _builds(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return the build of each component; one that uses another's has none of its own."""
    reused = reuses(deployment.configuration)
    found = {}
    for name, build in deployment.all_builds.items():
        own = name not in reused
        found[name] = {
            "build_id": (build.id or NO_ID_YET) if own else NO_BUILD_NEEDED,
            "build_status": build_state(build, deployment.created) if own else BuildState.SKIPPED,
            "build_image": _image(build),
            "build_long_status": build.message,
        }
    return found


def _image(build: Build) -> str:
    return build.image or NO_IMAGE_YET


def _runs(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return the run of each component of the configuration; what is removed has none here."""
    components = deployment.configuration["components"]
    if not deployment.runs:
        # Not skipped from the beginning: clients take that for the end.
        state = RunState.SKIPPED if deployment.status.is_final else RunState.PENDING
        return {name: {"run_status": state, "run_long_status": NOTHING_RUNS} for name in components}
    return {
        name: {"run_status": run_state(run), "run_long_status": run.message}
        for name in components
        if (run := deployment.runs.get(name))
    }
