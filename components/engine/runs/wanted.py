"""What is to run of a component: its image and its run part, from a configuration and a build."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from backends.runners.base import RunSpec, Wanted
from components.configuration.schemas import ComponentType, component_type
from components.configuration.sources import reuses
from components.engine.builds.model import Build
from components.engine.deployments.model import Deployment
from components.engine.runs.model import Run

_FIELDS = tuple(each.name for each in fields(RunSpec))
_OF_SCHEDULED = ("schedule", "timeout", "retry")
_OF_CONTINUOUS = (
    *("port", "port_protocol", "publish", "replicas"),
    *("health_check_http", "health_check_script"),
)


def spec_of(component: Mapping[str, Any]) -> RunSpec:
    """Return the run part of a component of a valid configuration, without what is not known."""
    scheduled = component_type(component) is ComponentType.SCHEDULED
    others = _OF_CONTINUOUS if scheduled else _OF_SCHEDULED
    run = component["run"]
    return RunSpec(**{name: run[name] for name in _FIELDS if name in run and name not in others})


def run_part(spec: RunSpec) -> dict[str, Any]:
    """Return a run part as a configuration has it: what `spec_of` would read."""
    others = _OF_SCHEDULED if spec.schedule is None else _OF_CONTINUOUS
    given = {name: getattr(spec, name) for name in _FIELDS if name not in others}
    return {name: value for name, value in given.items() if value is not None}


def specs(configuration: Mapping[str, Any]) -> dict[str, RunSpec]:
    """Return the run part of each component of a valid configuration."""
    return {name: spec_of(each) for name, each in configuration["components"].items()}


def build_of(deployment: Deployment, component: str) -> Build:
    """Return the build whose image a component runs: its own, or the one that it reuses."""
    source = reuses(deployment.configuration).get(component, component)
    return deployment.builds[source]


def pinned(build: Build) -> str:
    """Return the image of a build, by its digest where that is known."""
    image = build.image or ""
    if not build.digest or "@" in image:
        return image
    path, slash, name = image.rpartition("/")
    return f"{path}{slash}{name.partition(':')[0]}@{build.digest}"


def wanted_of(deployment: Deployment, component: str, run: Run) -> Wanted:
    """Return what is to run of a component; the run has what was decided."""
    spec = spec_of(deployment.configuration["components"][component])
    return Wanted(run.image or "", spec, run.revision)
