"""What runs where the platform keeps no marks: the deployments that are kept say what it is.

A runner with `marks` lists what this service made, with the deployment that it came from. Any other
lists everything that runs: what of it is this service's, of which deployment and of which build, is
known only here. What a deployment has done is stored with its runs; how far what runs differs from
that, the runner says.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from backends.runners.base import Origin, Runner, Running
from backends.status import Status
from components.engine.deployments.model import Deployment
from components.engine.runs.model import Before, Run, RunAction
from components.engine.runs.states import fence_of
from components.engine.runs.wanted import build_of, wanted_of


def recalled(
    runner: Runner, listing: Mapping[str, Running], deployments: Iterable[Deployment]
) -> Mapping[str, Running]:
    """Return what runs of a tool with what its kept deployments say of it; see `is_ours`."""
    if runner.marks:
        return listing
    made = made_by(deployments)
    return {name: _recalled(runner, each, made.get(name)) for name, each in listing.items()}


def is_ours(there: Running) -> bool:
    """Whether this service made what runs, as far as is known."""
    return there.marked or there.origin is not None


def made_by(deployments: Iterable[Deployment]) -> Mapping[str, Before]:
    """Return what the deployments of a tool have made, by component, as long as nobody else did."""
    made: dict[str, Before] = {}
    for deployment in sorted(deployments, key=lambda each: (each.created, each.id)):
        for name, run in deployment.runs.items():
            if run.id is None and run.action is not RunAction.LEAVE:
                continue
            by_now = _made(deployment, name, run)
            made.pop(name, None)
            if by_now is not None and by_now.origin is not None:
                made[name] = by_now
    return made


def _made(deployment: Deployment, component: str, run: Run) -> Before | None:
    if run.changes and not run.was_put_back:
        origin = Origin(deployment.id, build_of(deployment, component).commit)
        return Before(wanted_of(deployment, component, run), origin)
    was_removed = run.action is RunAction.REMOVE and run.status is Status.FINISHED
    return None if was_removed else run.before


def _recalled(runner: Runner, there: Running, made: Before | None) -> Running:
    if made is None:
        return there
    drift = there.drift + runner.differences(there, made.wanted)
    return replace(there, wanted=made.wanted, origin=made.origin, drift=drift)


def as_done(
    runner: Runner,
    deployment: Deployment,
    listing: Mapping[str, Running],
    put_back: Collection[str] = (),
) -> Mapping[str, Running]:
    """Return what runs with what a deployment in its run phase has done to it.

    `put_back` are the components of which the runner has just taken what ran before.
    """
    if runner.marks:
        return listing
    return {
        name: _as_done(runner, deployment, name, there, was_put_back=name in put_back)
        for name, there in listing.items()
        if name in deployment.runs
    }


def _as_done(
    runner: Runner,
    deployment: Deployment,
    component: str,
    there: Running,
    *,
    was_put_back: bool,
) -> Running:
    run = deployment.runs[component]
    before = run.before.wanted if run.before else None
    wanted, fence = before or there.wanted, None
    if run.stop and before and (was_put_back or not runner.differences(there, before)):
        fence = fence_of(deployment, step=1)
    elif run.id is not None and run.changes:
        fence = fence_of(deployment)
        if not run.stop:
            wanted = wanted_of(deployment, component, run)
    return replace(there, wanted=wanted, fence=fence)
