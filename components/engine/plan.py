"""The next step of a deployment, as a pure function of what is stored and the time.

What is to be done is part of the plan's deployment, which is stored before any of it is done: a
build that will be started is claimed, one that will be ended says so. Whoever loses that write
plans anew. From wherever an earlier step was broken off, the next plan goes on:

- A claim that is too old belongs to nobody. Whether that attempt has started the build is then
  uncertain; the next one has the same key, so that the builder finds it.
- What is to end and was never started ends at once; what may have been started is sought first.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backends.builders.base import BuildStatus
from components.engine.context import Limits
from components.engine.merge import final
from components.engine.model import Build, Claim, Deployment, Stop, StopReason


@dataclass(frozen=True, slots=True)
class Plan:
    """What to store, and then what to do, by component.

    `launch` was claimed for this; `seek` may have been started and is to end; `cancel` is to end;
    `ask` is everything else that a builder has.
    """

    deployment: Deployment
    now: datetime
    launch: tuple[str, ...] = ()
    seek: tuple[str, ...] = ()
    cancel: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()


def plan(deployment: Deployment, now: datetime, by: str, limits: Limits) -> Plan:
    """Return the next step of a deployment at the time `now`, when `by` takes it."""
    builds = {
        name: _planned(deployment, build, now, by, limits)
        for name, build in deployment.builds.items()
    }
    going_on = {name: build for name, build in builds.items() if not build.status.is_final}
    has_id = {name for name, build in going_on.items() if build.build_id is not None}
    if deployment.queued and not deployment.cancel_requested:
        return Plan(deployment, now)
    unclaimed = going_on.keys() - has_id - {n for n, build in going_on.items() if build.claim}
    claimed_now = [
        name for name, build in going_on.items() if build.attempt > deployment.builds[name].attempt
    ]
    return Plan(
        replace(deployment, builds=builds) if builds != deployment.builds else deployment,
        now,
        launch=tuple(claimed_now),
        seek=tuple(name for name in going_on if name in unclaimed),
        cancel=tuple(name for name in going_on if name in has_id and going_on[name].stop),
        ask=tuple(name for name in going_on if name in has_id and not going_on[name].stop),
    )


def _planned(deployment: Deployment, build: Build, now: datetime, by: str, limits: Limits) -> Build:
    if build.status.is_final:
        return build
    if build.claim and now >= build.claim.at + limits.launch:
        build = replace(build, claim=None, uncertain=build.uncertain or build.claim.at)
    stop = build.stop or _stop(deployment, build, now, limits)
    if stop is None:
        if build.build_id is not None or build.claim or deployment.queued:
            return build
        return replace(build, claim=Claim(by, now), attempt=build.attempt + 1)
    return _stopped(replace(build, stop=stop), stop, now, limits)


def _stopped(build: Build, stop: Stop, now: datetime, limits: Limits) -> Build:
    if build.claim:
        return build  # whoever starts it says what became of that
    if build.build_id is None and build.uncertain is None:
        return final(
            replace(build, status=BuildStatus.CANCELLED, message=never_started(stop)), stop
        )
    if now >= stop.since + limits.launch:
        # Nobody waits for ever for a builder to say that what it was told to end has ended.
        return final(replace(build, status=BuildStatus.CANCELLED, message=stop.message), stop)
    return replace(build, message=ENDING)


ENDING = "is being cancelled"


def never_started(stop: Stop) -> str:
    """Return what people are told of a build that was stopped before anybody started it."""
    return f"{stop.message} before it was started"


def _stop(deployment: Deployment, build: Build, now: datetime, limits: Limits) -> Stop | None:
    if deployment.cancel_requested:
        return Stop(StopReason.CANCELLED, now, deployment.reason or "cancelled")
    # Its time begins when it may start: how long it waits before is up to others.
    since = deployment.admitted or deployment.created
    if not deployment.queued and now >= since + limits.deployment:
        message = f"the deployment took longer than {duration(limits.deployment)}: cancelled"
        return Stop(StopReason.DEPLOYMENT_TIMEOUT, now, message)
    if build.started is not None and now >= build.started + limits.build:
        message = f"the build took longer than {duration(limits.build)}: cancelled"
        return Stop(StopReason.BUILD_TIMEOUT, now, message)
    return None


def duration(time: timedelta) -> str:
    """Return a length of time as people say it: `1 h 30 min`, `45 s`."""
    seconds = time // timedelta(seconds=1)
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
