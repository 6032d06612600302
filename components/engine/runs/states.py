"""How a run does, as a function of what runs: rolled out, healthy, failed, lost, or put back."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backends.runners.base import Fence, Health, Running
from backends.status import Status
from components.engine.deployments.model import Deployment
from components.engine.runs.model import Run, RunAction
from components.engine.runs.wanted import wanted_of

GONE = "what was started is gone"

CATCHES_UP = timedelta(seconds=5)
"""For how long a status that is older than what was asked for may be that of what ran before."""


@dataclass(frozen=True, slots=True)
class RunState:
    """What is known of a run; `failure` says why it never will be healthy.

    It is `absent` where nothing runs, as before it was started. `since` is when what runs came to
    its status, where that may be the status of what ran before.
    """

    id: str
    status: Status
    message: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    lost: bool = False
    failure: str = ""
    healthy: bool = False
    ready: int = 0
    replicas: int = 0
    url: str | None = None
    was_put_back: bool = False
    absent: bool = False
    since: datetime | None = None

    def is_from_before(self, run: Run, now: datetime) -> bool:
        """Whether this may be how what ran before did, before the runner was asked for a change."""
        asked = run.stop.since if run.stop else run.started
        if self.since is None or asked is None:
            return False
        return self.since < asked and now < asked + CATCHES_UP


def fence_of(deployment: Deployment, step: int = 0) -> Fence:
    """Return the fence of a deployment's new versions; with step 1, of what it puts back."""
    return Fence(deployment.created, deployment.id, step)


def under_way(run: Run) -> str:
    """Return the message of a run that was started."""
    return "is being removed" if run.action is RunAction.REMOVE else "is being rolled out"


def left_as_it_is(deployment: Deployment, component: str, there: Running | None) -> str:
    """Return why what ran before is not put back in place of what runs; empty where it is."""
    run = deployment.runs[component]
    if run.before is None:
        return "what ran before is not known" if run.action is not RunAction.START else ""
    if there is None or there.marked or not run.changes:
        return ""
    revision = run.revision
    same = replace(run.before.wanted, revision=revision) == wanted_of(deployment, component, run)
    # Whatever the name of an image meant before: by now it means the new build.
    return "its image has the same name as before" if same else ""


def state_of(deployment: Deployment, component: str, there: Running | None) -> RunState:
    """Return the state of a run, of whose component `there` runs."""
    run, own = deployment.runs[component], fence_of(deployment)
    own_id = run.id or str(own)
    if run.stop:
        return _put_back_state(deployment, component, own_id, there)
    if there and there.fence and there.fence > own:
        if there.fence == fence_of(deployment, step=1):  # somebody who knows of a stop was faster
            return RunState(own_id, Status.RUNNING, run.message)
        return RunState(own_id, Status.ERROR, f"superseded by {there.fence.deploy_id!r}")
    if run.action is RunAction.REMOVE:
        gone = there is None
        message = "was removed" if gone else under_way(run)
        return RunState(own_id, Status.RUNNING, message, healthy=gone)
    if there is None or there.fence is None or there.fence < own:
        return RunState(own_id, Status.RUNNING, GONE, lost=True, failure=GONE)
    return _new_version_state(run, own_id, there)


def _new_version_state(run: Run, own_id: str, there: Running) -> RunState:
    healthy = there.health is Health.HEALTHY
    return RunState(
        own_id,
        Status.RUNNING,
        there.message or ("runs" if healthy else under_way(run)),
        failure=there.message or "failed" if there.health is Health.FAILED else "",
        healthy=healthy,
        ready=there.ready,
        replicas=there.replicas,
        url=there.url,
        since=_since(there),
    )


def _since(there: Running) -> datetime | None:
    is_scheduled = there.wanted is not None and there.wanted.spec.schedule is not None
    return None if there.marked or is_scheduled else there.started


def _put_back_state(
    deployment: Deployment, component: str, own_id: str, there: Running | None
) -> RunState:
    run, fence = deployment.runs[component], fence_of(deployment, step=1)
    if there and there.fence and there.fence > fence:
        return _end(run, own_id, f"{there.fence.deploy_id!r} runs by now")
    if why := left_as_it_is(deployment, component, there):
        return _end(run, own_id, f"{why}, so this was left as it is")
    if run.before is None:
        if there is None:
            state = _end(run, own_id, "nothing ran before, so nothing runs now")
            return replace(state, absent=True)
    elif there and there.fence == fence:
        what = ""
        if there.health is Health.HEALTHY:
            what = f"{_version_before(run, there)} runs again"
        # A run that was given up does not wait for the health of what ran before.
        elif there.health is Health.FAILED or run.status.is_final:
            what = (
                f"{_version_before(run, there)} was put back, and is not healthy: {there.message}"
            )
        if what:
            end = _end(run, own_id, what)
            return replace(end, was_put_back=True, since=_since(there))
    return RunState(own_id, Status.RUNNING, run.message)


def _version_before(run: Run, there: Running) -> str:
    before = run.before
    if before is None or before.origin is None:
        return "what ran before"
    version = f"the version of {before.origin.deploy_id!r}"
    has_new_image = before.wanted.image == run.image and before.wanted.revision != run.revision
    if there.marked or not run.changes or not has_new_image:
        return version
    return f"{version}, with the new image of the same name,"


def _end(run: Run, own_id: str, what: str) -> RunState:
    end = ended(run, what)
    return RunState(own_id, end.status, end.message)


def ended(run: Run, what: str) -> Run:
    """Return a run that was stopped as it has ended; `what` says what became of the component."""
    stop = run.stop
    failed = stop is not None and stop.reason.is_failure
    return replace(
        run,
        status=Status.ERROR if failed else Status.CANCELLED,
        message=f"{stop.message}; {what}" if stop else what,
        healthy=False,
    )
