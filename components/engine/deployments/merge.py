"""How what happens becomes part of a stored deployment: the one place for these rules.

A change is what a backend said of some steps, or what became of attempts to start them; that
somebody cancels; that a deployment is admitted; or that its run phase begins. Applying one is
idempotent and monotone, and the order of several does not matter. `steps.merge` has the rules for
one step. Besides:

- A deployment that is settled never changes.
- A cancellation stays, and so does an admission and the beginning of the run phase.
- If a build does not finish, no run begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from backends.status import Status
from components.engine.builds.model import Build
from components.engine.deployments.model import Deployment, Kind
from components.engine.runs.model import Run
from components.engine.steps.merge import final, merged_steps
from components.engine.steps.model import Step

MESSAGES_LENGTH = 128 * 1024
"""How many characters the messages of a deployment have together, so that any store keeps them."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """The beginning of a run phase: when, and what was decided of each run."""

    at: datetime
    runs: Mapping[str, Run]


@dataclass(frozen=True, slots=True)
class Change:
    """Updates of steps, by component; whether to cancel the deployment, and why; its admission."""

    builds: Mapping[str, Build] = field(default_factory=dict)
    cancel: bool = False
    reason: str = ""
    admitted: datetime | None = None
    runs: Mapping[str, Run] = field(default_factory=dict)
    beginning: Beginning | None = None


def change_of(kind: Kind, steps: Mapping[str, Step]) -> Change:
    """Return a change that has updates of steps of one kind."""
    if kind is Kind.BUILD:
        return Change({name: step for name, step in steps.items() if isinstance(step, Build)})
    return Change(runs={name: step for name, step in steps.items() if isinstance(step, Run)})


def merged(stored: Deployment, change: Change) -> Deployment:
    """Return `stored` with a change; `stored` itself where that changes nothing."""
    if stored.is_settled or stored.newer:
        return stored
    longest = MESSAGES_LENGTH // len(stored.steps)
    changed = replace(
        stored,
        builds=merged_steps(stored.builds, change.builds, longest),
        runs=merged_steps(stored.runs, change.runs, longest),
        cancel_requested=stored.cancel_requested or (change.cancel and not stored.status.is_final),
        # Of two reasons every instance takes the same.
        reason=max(stored.reason, change.reason),
        queued=stored.queued and change.admitted is None,
        admitted=_earlier(stored.admitted, change.admitted),
    )
    if change.beginning and changed.begun is None and not changed.cancel_requested:
        runs = {**changed.runs, **change.beginning.runs}
        changed = replace(changed, begun=change.beginning.at, runs=runs)
    changed = without_pointless_runs(changed)
    return stored if changed == stored else changed


def without_pointless_runs(deployment: Deployment) -> Deployment:
    """Return a deployment whose runs have ended if a build has ended without an image."""
    builds = deployment.builds
    if deployment.is_built or not all(build.status.is_final for build in builds.values()):
        return deployment
    failed = min(
        (name for name, build in builds.items() if build.status is not Status.FINISHED),
        key=lambda name: (builds[name].status is not Status.ERROR, name),
    )
    message = f"not started, since the build of {failed!r} ended as {builds[failed].status}"
    runs = {
        name: run
        if run.status.is_final
        else final(replace(run, status=Status.CANCELLED, message=message), None)
        for name, run in deployment.runs.items()
    }
    return replace(deployment, runs=runs)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other
