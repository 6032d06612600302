"""What a deployment does with each component when its run phase begins."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from backends.runners.base import Health, Running, Wanted
from backends.status import Status
from components.engine.deployments.model import Deployment
from components.engine.runs.model import Before, Run, RunAction
from components.engine.runs.unmarked import is_ours
from components.engine.runs.wanted import build_of, pinned, specs

LEFT = "runs already"


def begun_runs(
    deployment: Deployment, running: Mapping[str, Running], now: datetime, *, unique_images: bool
) -> dict[str, Run]:
    """Return the runs of a deployment that has all its images, as its run phase begins.

    `running` is what runs, whoever made it. With `unique_images`, the name of an image is one
    build's alone.
    """
    runs = {}
    for name, spec in specs(deployment.configuration).items():
        build = build_of(deployment, name)
        image = pinned(build)
        # A name that means another image by now starts nothing again: the build's id does.
        revision = "" if build.digest or unique_images else build.id or ""
        there = running.get(name)
        action, wanted = decided(
            there,
            Wanted(image, spec, revision),
            again=deployment.id if deployment.force_run else build.id if not build.reused else None,
        )
        run = replace(
            deployment.runs[name],
            action=action,
            image=wanted.image,
            revision=wanted.revision,
            before=before(there),
            message="waits to be started",
        )
        runs[name] = _left(run, there, now) if there and action is RunAction.LEAVE else run
    if not deployment.selected:
        runs |= {
            name: Run(
                action=RunAction.REMOVE,
                before=before(there),
                image=there.wanted.image if there.wanted else None,
                message="will be removed when all others are healthy",
            )
            for name, there in running.items()
            if name not in runs and is_ours(there)
        }
    return runs


def decided(
    there: Running | None, wanted: Wanted, *, again: str | None
) -> tuple[RunAction, Wanted]:
    """Return what to do with a component of which `there` runs, and what is to run exactly.

    What runs already is left alone if it is healthy; with `again`, it is started again, under that
    revision.
    """
    if there is None:
        return RunAction.START, wanted
    if there.wanted is None or not _same(there.wanted, wanted):
        return RunAction.CHANGE, wanted
    if again is not None:
        return RunAction.CHANGE, replace(wanted, revision=again)
    if there.health is Health.HEALTHY and not there.drift:
        return RunAction.LEAVE, there.wanted
    # Put right, without starting anew what is as it should be.
    return RunAction.CHANGE, there.wanted


def _same(there: Wanted, wanted: Wanted) -> bool:
    same_revision = wanted.revision in ("", there.revision)
    return (there.image, there.spec) == (wanted.image, wanted.spec) and same_revision


def before(there: Running | None) -> Before | None:
    """Return what runs of a component, so that it can be put back; None where that is not known."""
    if there is None or there.wanted is None or (there.marked and there.origin is None):
        return None
    return Before(there.wanted, there.origin)


def _left(run: Run, there: Running, now: datetime) -> Run:
    return replace(
        run,
        status=Status.FINISHED,
        message=LEFT,
        healthy=True,
        ready=there.ready,
        replicas=there.replicas,
        url=there.url,
        started=there.started,
        ended=now,
    )
