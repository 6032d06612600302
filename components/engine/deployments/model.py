"""A deployment and its builds, as values, and the rules that follow from them alone."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from backends.builders.base import Source
from backends.status import Status
from components.configuration.sources import reuses, sources
from components.engine.builds.model import Build
from components.engine.runs.model import Run
from components.engine.steps.model import Step


class DeploymentStatus(StrEnum):
    """The status of a deployment. The last three are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether the deployment has ended and never changes again."""
        return self not in (DeploymentStatus.PENDING, DeploymentStatus.RUNNING)


class OnFailure(StrEnum):
    """What becomes of what a deployment has changed when one of its runs fails."""

    PUT_BACK = "put-back"
    KEEP = "keep"


class Kind(StrEnum):
    """The two kinds of steps that a deployment has, one after the other."""

    BUILD = "build"
    RUN = "run"


class Stage(StrEnum):
    """How far a deployment has come: what its next step is about."""

    QUEUED = "queued"
    BUILDS = "builds"
    BEFORE_RUNS = "before-runs"
    RUNS = "runs"


@dataclass(frozen=True)  # no slots: they exclude `cached_property`
class Deployment:
    """One deployment of a tool. `builds` holds the components that have a source of their own.

    `runs` holds all components, and those that are removed; it is empty where nothing is run.
    `begun` is when the run phase began, by the store's clock. One that is `selected` has only
    those of the configuration's components that were asked for. With `force_build`, everything was
    built although it could be reused; with `force_run`, what runs already is started again.
    While it is `queued` it starts nothing; `admitted` is when it no longer was, by the store's
    clock, and None where it never had to wait. One that `supersedes` ends those that it waits for.
    `reason` says why it was cancelled. `configured` is whether the tool had a configuration when it
    was accepted. `ended` is when its status became final. `newer` is whether a later version of the
    service wrote it, which may know more about it. `held_open` is whether the document of such a
    deployment is open; it then counts as running.
    """

    tool: str
    id: str
    created: datetime
    configuration: Mapping[str, Any]
    builds: Mapping[str, Build]
    cancel_requested: bool = False
    reason: str = ""
    queued: bool = False
    admitted: datetime | None = None
    supersedes: bool = False
    description: str = ""
    configured: bool = False
    ended: datetime | None = None
    runs: Mapping[str, Run] = field(default_factory=dict)
    begun: datetime | None = None
    selected: bool = False
    force_build: bool = False
    force_run: bool = False
    on_failure: OnFailure = OnFailure.PUT_BACK
    newer: bool = False
    held_open: bool = False

    @property
    def kind(self) -> Kind:
        """The kind of the steps that are under way, or were last."""
        return Kind.RUN if self.runs and self.is_built else Kind.BUILD

    @property
    def is_built(self) -> bool:
        """Whether all builds have finished."""
        return all(build.status is Status.FINISHED for build in self.builds.values())

    @property
    def stage(self) -> Stage:
        """How far it has come."""
        if self.queued and not self.cancel_requested:
            return Stage.QUEUED
        if self.kind is Kind.BUILD:
            return Stage.BUILDS
        return Stage.RUNS if self.begun or self.cancel_requested else Stage.BEFORE_RUNS

    @property
    def steps(self) -> tuple[Step, ...]:
        """All its builds and runs."""
        return (*self.builds.values(), *self.runs.values())

    @property
    def since(self) -> datetime:
        """When its time began: when it might start, since how long it waits is up to others.

        The time of its run phase is counted anew for that reason.
        """
        return self.begun or self.admitted or self.created

    @property
    def status(self) -> DeploymentStatus:
        """The status that follows from its steps, once it may start them."""
        status = self._status
        return DeploymentStatus.RUNNING if self.held_open and status.is_final else status

    @property
    def is_settled(self) -> bool:
        """Whether its status is final and all its steps are settled: it never changes again."""
        return self.status.is_final and all(each.is_settled for each in self.steps)

    @property
    def timed_out(self) -> bool:
        """Whether it has failed because it took too long."""
        return self.status is DeploymentStatus.ERROR and any(each.timed_out for each in self.steps)

    @property
    def _status(self) -> DeploymentStatus:
        if self.queued and not self.cancel_requested:
            return DeploymentStatus.PENDING
        statuses = {step.status for step in self.steps}
        if not all(status.is_final for status in statuses):
            launched = any(step.id is not None for step in self.steps)
            return DeploymentStatus.RUNNING if launched else DeploymentStatus.PENDING
        if self.cancel_requested:
            return DeploymentStatus.CANCELLED
        if Status.ERROR in statuses:
            return DeploymentStatus.ERROR
        if Status.CANCELLED in statuses:
            return DeploymentStatus.CANCELLED
        return DeploymentStatus.FINISHED

    @property
    def message(self) -> str:
        """What it waits for, or why the service cancelled it; for users."""
        if self.queued and not self.cancel_requested:
            return "waits for its turn"
        parts = [self.reason] if self.cancel_requested and self.reason else []
        if self._puts_back:
            parts.append("what ran before is being put back")
        elif any(run.was_put_back for run in self.runs.values()):
            parts.append("what ran before was put back")
        elif self.status.is_final and not self.is_settled:
            parts.append("builds may still run until the builder confirms that they have ended")
        return "; ".join(parts)

    @property
    def _puts_back(self) -> bool:
        stopped = (run for run in self.runs.values() if run.stop)
        ends = self.on_failure is OnFailure.PUT_BACK
        return ends and any(run.id is not None or run.doubt for run in stopped)

    @cached_property
    def etag(self) -> str:
        """A hash of what users see of it; it differs where that differs."""
        builds = tuple(
            (
                *(name, b.status, b.message, b.id, b.image, b.digest, b.commit, b.reused),
                # As a timestamp: the name of a time zone depends on the store.
                *(each and each.timestamp() for each in (b.started, b.ended)),
            )
            for name, b in self.builds.items()
        )
        runs = tuple(
            (
                *(name, r.visible_status, r.message, r.image, r.ready, r.replicas, r.url, r.action),
                *(each and each.timestamp() for each in (r.started, r.ended)),
            )
            for name, r in self.runs.items()
        )
        visible = (
            self.id,
            self.created.timestamp(),
            self.description,
            self.status,
            self.message,
            builds,
            # Without runs, the etag is what it was before there were any.
            *((runs,) if runs else ()),
        )
        return hashlib.sha256(repr(visible).encode("utf-8", "backslashreplace")).hexdigest()[:16]

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """The source of each component in `builds`."""
        return sources(self.configuration)

    @property
    def all_builds(self) -> Mapping[str, Build]:
        """The build of every component in the configuration's order, reused ones included."""
        reused = reuses(self.configuration)
        return {
            name: replace(
                self.builds[reused[name]], message=f"reuses the build of {reused[name]!r}"
            )
            if name in reused
            else self.builds[name]
            for name in self.configuration["components"]
        }
