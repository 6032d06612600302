"""The next step of a deployment, as a pure function of its state and the time.

The plan's deployment records what will be done, and is stored before any of it is done: a build
that will be started has a claim, one that will be cancelled has a `stop`. If another instance wins
that write, the loser plans again. The next plan continues wherever an earlier step was interrupted:

- When a claim has expired, another instance may take over. The outcome of the attempt is then
  unknown. A builder that knows keys starts the build again with the same key. With any other
  builder, the service searches for the build until a search proves that none was started.
- A build to be stopped that was never started ends at once; one that may have been started is
  searched for first.
- A build whose end the builder does not confirm is abandoned: its status becomes final, so that
  nothing waits for it. It is still cancelled, and the deployment is settled only when the builder
  confirms its end.

Build timeouts depend on the builder's reports, not on the clock alone: time in which the builder
could not be queried does not count. After a clock jump, nothing times out.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backends.builders.base import BuildStatus
from components.engine.context import Limits
from components.engine.deployments.merge import final
from components.engine.deployments.model import Build, Claim, Deployment, Doubt, Stop, StopReason
from components.engine.instant import Instant

CANCELLING = "is being cancelled"
MAY_RUN = "the builder has not confirmed that it has ended, so it may still run"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to store, and then what to do, by component.

    `launch` has new claims; `seek` may have been started before; `cancel` is to be cancelled.
    """

    deployment: Deployment
    at: Instant
    launch: tuple[str, ...] = ()
    seek: tuple[str, ...] = ()
    cancel: tuple[str, ...] = ()


def to_ask(deployment: Deployment) -> tuple[str, ...]:
    """Return the components whose builds are known to run and are not to be stopped."""
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
    """Return the next step of a deployment `at` an instant, for the instance `by`.

    If not `start`, no build is claimed.
    """
    builds = {
        name: _planned(deployment, build, at, by, limits, start)
        for name, build in deployment.builds.items()
    }
    if deployment.queued and not deployment.cancel_requested:
        return Plan(deployment, at)
    active = {name: build for name, build in builds.items() if not build.is_settled}
    return Plan(
        replace(deployment, builds=builds) if builds != deployment.builds else deployment,
        at,
        launch=tuple(n for n in active if builds[n].attempt > deployment.builds[n].attempt),
        seek=tuple(
            name
            for name, build in active.items()
            if build.doubt and not build.claim and build.build_id is None
        ),
        cancel=tuple(
            name for name, build in active.items() if build.build_id is not None and build.stop
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


def in_doubt(build: Build, interrupted: datetime, limits: Limits) -> Doubt:
    """Return the doubt about a build whose claimed attempt ended without a known outcome."""
    since = build.doubt.since if build.doubt else build.claim.at if build.claim else interrupted
    return Doubt(since, interrupted + limits.settling)


def _stopped(build: Build, stop: Stop, at: Instant, limits: Limits) -> Build:
    if build.claim or build.status.is_final:
        return build  # the instance that starts or stops it stores the outcome
    if build.build_id is None and build.doubt is None:
        return final(
            replace(build, status=BuildStatus.CANCELLED, message=never_started(stop)), stop
        )
    if at.is_past(stop.since + limits.launch, stop.since):
        # The wait for the builder's confirmation is bounded.
        by_request = stop.reason is StopReason.CANCELLED
        return replace(
            build,
            status=BuildStatus.CANCELLED if by_request else BuildStatus.ERROR,
            message=f"{stop.message}; {MAY_RUN}",
        )
    return replace(build, message=CANCELLING)


def never_started(stop: Stop) -> str:
    """Return the message of a build that was stopped before it was started."""
    return f"{stop.message} before it was started"


def _stop(deployment: Deployment, build: Build, at: Instant, limits: Limits) -> Stop | None:
    if deployment.cancel_requested:
        return Stop(StopReason.CANCELLED, at.now, deployment.reason or "cancelled")
    if deployment.queued:
        return None
    # A build that the builder has times out by its last report, any other by the clock.
    reported = at.now if build.build_id is None else build.seen
    if reported is None:
        return None
    # Time in the queue does not count.
    since = deployment.admitted or deployment.created
    if at.is_past(since + limits.deployment + build.unasked, since, reported):
        message = f"the deployment took longer than {duration(limits.deployment)}: cancelled"
        return Stop(StopReason.DEPLOYMENT_TIMEOUT, at.now, message)
    started = build.started
    if started is not None and at.is_past(
        started + limits.build + build.unasked, started, reported
    ):
        message = f"the build took longer than {duration(limits.build)}: cancelled"
        return Stop(StopReason.BUILD_TIMEOUT, at.now, message)
    return None


def duration(time: timedelta) -> str:
    """Return a duration as text: `1 h 30 min`, `45 s`."""
    seconds = time // timedelta(seconds=1)
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
