"""A deployment and its builds as immutable dataclasses, and what can be derived from them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from backends.builders.base import BuildStatus, Source
from components.configuration.sources import reuses, sources


class DeploymentStatus(StrEnum):
    """The status of a deployment. The last three are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether the deployment has ended: its status no longer changes."""
        return self not in (DeploymentStatus.PENDING, DeploymentStatus.RUNNING)


class StopReason(StrEnum):
    """Why a build is stopped before it ends by itself."""

    CANCELLED = "cancelled"
    BUILD_TIMEOUT = "build-timeout"
    DEPLOYMENT_TIMEOUT = "deployment-timeout"


@dataclass(frozen=True, slots=True)
class Claim:
    """An instance's lease on starting a build: the instance, and the lease's start and end.

    Times are the store's. After `until`, another instance may take over; the outcome of the attempt
    is then unknown. The claiming instance sets `until`, since instances may have different limits.
    """

    by: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Doubt:
    """The outcome of earlier attempts to start a build is unknown: they may have started it.

    `since` is the time of the first of them. A search at `settles` or later that finds nothing
    proves that none of them started it.
    """

    since: datetime
    settles: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """A build is to be stopped: why, since when by the store's clock, and the message for users."""

    reason: StopReason
    since: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Build:
    """One component's build. Times are UTC; `build_id` is None until a builder has accepted it.

    `attempt` counts the claims. `doubt` is set where earlier attempts may have started the build.
    `seen` is the store's time of the builder's last report, and `unasked` is the total time in
    which the builder could not be queried. `commit` is also the commit to build, where it is known
    before; `reused` is the id of the deployment that built it, where that is another one.
    `lost` counts how often the builder has lost the build.

    A build with a final status and a `stop` is abandoned: the builder has not confirmed its end.
    """

    status: BuildStatus = BuildStatus.PENDING
    build_id: str | None = None
    message: str = ""
    image: str | None = None
    digest: str | None = None
    commit: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    attempt: int = 0
    claim: Claim | None = None
    doubt: Doubt | None = None
    stop: Stop | None = None
    seen: datetime | None = None
    reused: str | None = None
    lost: int = 0
    unasked: timedelta = timedelta()

    @property
    def awaits_launch(self) -> bool:
        """Whether no builder has accepted the build, and it can still be started."""
        return self.build_id is None and not self.status.is_final

    @property
    def is_settled(self) -> bool:
        """Whether the build has ended for certain."""
        return self.status.is_final and self.stop is None


@dataclass(frozen=True)  # no slots: they exclude `cached_property`
class Deployment:
    """One deployment of a tool. `builds` has the components with a source of their own.

    While it is `queued` it starts no builds; `admitted` is when it was admitted, by the store's
    clock, and None where it never waited. One that `supersedes` cancels those that it waits for.
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
    newer: bool = False
    held_open: bool = False

    @property
    def status(self) -> DeploymentStatus:
        """The status, derived from the builds once the deployment is admitted."""
        status = self._status
        return DeploymentStatus.RUNNING if self.held_open and status.is_final else status

    @property
    def is_settled(self) -> bool:
        """Whether its status is final and all its builds are settled: it never changes again."""
        return self.status.is_final and all(each.is_settled for each in self.builds.values())

    @property
    def _status(self) -> DeploymentStatus:
        if self.queued and not self.cancel_requested:
            return DeploymentStatus.PENDING
        statuses = {build.status for build in self.builds.values()}
        if not all(status.is_final for status in statuses):
            launched = any(build.build_id is not None for build in self.builds.values())
            return DeploymentStatus.RUNNING if launched else DeploymentStatus.PENDING
        if self.cancel_requested:
            return DeploymentStatus.CANCELLED
        if BuildStatus.ERROR in statuses:
            return DeploymentStatus.ERROR
        if BuildStatus.CANCELLED in statuses:
            return DeploymentStatus.CANCELLED
        return DeploymentStatus.FINISHED

    @property
    def message(self) -> str:
        """What it waits for, or why the service cancelled it; for users."""
        if self.queued and not self.cancel_requested:
            return "waits for its turn"
        parts = [self.reason] if self.cancel_requested and self.reason else []
        if self.status.is_final and not self.is_settled:
            parts.append("builds may still run until the builder confirms that they have ended")
        return "; ".join(parts)

    @cached_property
    def etag(self) -> str:
        """A hash of what users see of it; it differs where that differs."""
        builds = tuple(
            (
                *(name, b.status, b.message, b.build_id, b.image, b.digest, b.commit, b.reused),
                # As a timestamp: the name of a time zone depends on the store.
                *(each and each.timestamp() for each in (b.started, b.ended)),
            )
            for name, b in self.builds.items()
        )
        visible = (
            self.id,
            self.created.timestamp(),
            self.description,
            self.status,
            self.message,
            builds,
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
