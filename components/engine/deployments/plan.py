"""The next step of a deployment, as a pure function of what is known and the time.

What is to be done is part of the plan's deployment, which is stored before any of it is done: a
build that will be started is claimed, one that will be ended says so. Whoever loses that write
plans anew. From wherever an earlier step was broken off, the next plan goes on:

- A claim that has ended belongs to nobody. Whether that attempt has started the build is then in
  doubt. A builder that knows keys is asked to start it again; of any other, the build is sought
  until a search proves that there is none.
- What is to end and was never started ends at once; what may have been started is sought first.
- What the builder does not confirm to have ended is given up, so that nobody waits for it any more,
  and is ended all the same: the deployment is not settled before that is confirmed.

A build takes too long by what the builder says, and not by the clock alone: time in which nobody
could ask does not count. Nothing is ended by a clock that has just jumped.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backends.builders.base import BuildStatus
from components.engine.context import Limits
from components.engine.deployments.merge import final
from components.engine.deployments.model import Build, Claim, Deployment, Doubt, Stop, StopReason
from components.engine.instant import Instant

ENDING = "is being cancelled"
MAY_RUN = "the builder has not confirmed that it has ended, so it may still run"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to store, and then what to do, by component.

    `launch` was claimed for this; `seek` may have been started; `cancel` is to end.
    """

    deployment: Deployment
    at: Instant
    launch: tuple[str, ...] = ()
    seek: tuple[str, ...] = ()
    cancel: tuple[str, ...] = ()


def to_ask(deployment: Deployment) -> tuple[str, ...]:
    """Return the components whose builds run, as far as is known, and are not to end."""
    if deployment.cancel_requested:
        return ()
    return tuple(
        name
        for name, build in deployment.builds.items()
        if build.build_id is not None and not build.status.is_final and not build.stop
    )


def plan(
    deployment: Deployment, at: Instant, by: str, limits: Limits, *, start: bool = True
) -> Plan:
    """Return the next step of a deployment `at` an instant, when `by` takes it.

    Without `start`, no build is claimed.
    """
    builds = {
        name: _planned(deployment, build, at, by, limits, start)
        for name, build in deployment.builds.items()
    }
    if deployment.queued and not deployment.cancel_requested:
        return Plan(deployment, at)
    going_on = {name: build for name, build in builds.items() if not build.is_settled}
    return Plan(
        replace(deployment, builds=builds) if builds != deployment.builds else deployment,
        at,
        launch=tuple(n for n in going_on if builds[n].attempt > deployment.builds[n].attempt),
        seek=tuple(
            name
            for name, build in going_on.items()
            if build.doubt and not build.claim and build.build_id is None
        ),
        cancel=tuple(
            name for name, build in going_on.items() if build.build_id is not None and build.stop
        ),
    )


def _planned(
    deployment: Deployment, build: Build, at: Instant, by: str, limits: Limits, start: bool
) -> Build:
    if build.is_settled:
        return build
    if build.claim and at.is_past(build.claim.until, build.claim.at):
        build = replace(build, claim=None, doubt=in_doubt(build, build.claim.until, limits))
    stop = build.stop or _stop(deployment, build, at, limits)
    if stop is not None:
        return _stopped(replace(build, stop=stop), stop, at, limits)
    waits = build.build_id is None and not build.claim and not deployment.queued
    if not waits or not start or (build.doubt and not limits.knows_keys):
        return build
    claim = Claim(by, at.now, at.now + limits.launch)
    return replace(build, claim=claim, attempt=build.attempt + 1)


def in_doubt(build: Build, broken_off: datetime, limits: Limits) -> Doubt:
    """Return the doubt about a build whose claimed attempt was broken off without an outcome."""
    since = build.doubt.since if build.doubt else build.claim.at if build.claim else broken_off
    return Doubt(since, broken_off + limits.settling)


def _stopped(build: Build, stop: Stop, at: Instant, limits: Limits) -> Build:
    if build.claim or build.status.is_final:
        return build  # whoever starts it, or ends it, says what became of that
    if build.build_id is None and build.doubt is None:
        return final(
            replace(build, status=BuildStatus.CANCELLED, message=never_started(stop)), stop
        )
    if at.is_past(stop.since + limits.launch, stop.since):
        # Nobody waits for ever for a builder to say that what it was told to end has ended.
        was_asked = stop.reason is StopReason.CANCELLED
        return replace(
            build,
            status=BuildStatus.CANCELLED if was_asked else BuildStatus.ERROR,
            message=f"{stop.message}; {MAY_RUN}",
        )
    return replace(build, message=ENDING)


def never_started(stop: Stop) -> str:
    """Return what people are told of a build that was stopped before anybody started it."""
    return f"{stop.message} before it was started"


def _stop(deployment: Deployment, build: Build, at: Instant, limits: Limits) -> Stop | None:
    if deployment.cancel_requested:
        return Stop(StopReason.CANCELLED, at.now, deployment.reason or "cancelled")
    if deployment.queued:
        return None
    # What the builder has is judged by what it says now, and what it does not have by the clock.
    judged = at.now if build.build_id is None else build.seen
    if judged is None:
        return None
    # Its time begins when it may start: how long it waits before is up to others.
    since = deployment.admitted or deployment.created
    if at.is_past(since + limits.deployment + build.unasked, since, judged):
        message = f"the deployment took longer than {duration(limits.deployment)}: cancelled"
        return Stop(StopReason.DEPLOYMENT_TIMEOUT, at.now, message)
    began = build.started
    if began is not None and at.is_past(began + limits.build + build.unasked, began, judged):
        message = f"the build took longer than {duration(limits.build)}: cancelled"
        return Stop(StopReason.BUILD_TIMEOUT, at.now, message)
    return None


def duration(time: timedelta) -> str:
    """Return a length of time as people say it: `1 h 30 min`, `45 s`."""
    seconds = time // timedelta(seconds=1)
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
