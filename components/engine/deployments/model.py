"""A deployment and its builds, as values, and the rules that follow from them alone."""

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
    """How a deployment goes. The last three are final."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    ERROR = "ERROR"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether the deployment has ended and never changes again."""
        return self not in (DeploymentStatus.PENDING, DeploymentStatus.RUNNING)


class StopReason(StrEnum):
    """Why a build is brought to an end before it ends by itself."""

    CANCELLED = "cancelled"
    BUILD_TIMEOUT = "build-timeout"
    DEPLOYMENT_TIMEOUT = "deployment-timeout"


@dataclass(frozen=True, slots=True)
class Claim:
    """That an instance is starting a build: which one, and from when until when.

    Times are the store's. From `until` on, whatever that instance was doing may have been done, and
    is nobody's: it is the claimer's to say, since instances may have different limits.
    """

    by: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Doubt:
    """That earlier attempts may have started a build, since their outcome is not known.

    `since` is when the first of them was made. A search that is made at `settles` or later, and
    finds nothing, proves that none of them has started it.
    """

    since: datetime
    settles: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """That a build is to end: why, since when by the store's clock, and what people are told."""

    reason: StopReason
    since: datetime
    message: str


@dataclass(frozen=True, slots=True)
class Build:
    """One component's build. Times are UTC; `build_id` is None until a builder has accepted it.

    `attempt` counts the claims. `doubt` is there where earlier attempts may have started the build.
    `seen` is the store's time at which this was what the builder said, and `unasked` how long in
    all the builder could not be asked. `commit` is also what is to be built, where it is known
    before; `reused` is the id of the deployment for which it was built, where that is another.
    `lost` counts how often the builder has lost it.

    A build that has ended while there is still a `stop` was given up: the builder has not confirmed
    that it has ended.
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
        """Whether no builder has accepted it yet, and it can still be started."""
        return self.build_id is None and not self.status.is_final

    @property
    def is_settled(self) -> bool:
        """Whether it has ended, and nothing of it can still be running."""
        return self.status.is_final and self.stop is None


@dataclass(frozen=True)  # without slots, where what is found out once would find no place
class Deployment:
    """One deployment of a tool. `builds` holds the components that have a source of their own.

    While it is `queued` it starts nothing; `admitted` is when it no longer was, by the store's
    clock, and None where it never had to wait. One that `supersedes` ends those that it waits for.
    `reason` says why it was cancelled. `configured` is whether the tool had a configuration when it
    was accepted. `ended` is when its status became final. What is `newer` was written by a later
    version of the service, which knows more of it than is here; `held_open` says that its document
    is open, so that it is under way whatever it looks like.
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
        """The status that follows from the builds, once it may start them."""
        status = self._status
        return DeploymentStatus.RUNNING if self.held_open and status.is_final else status

    @property
    def is_settled(self) -> bool:
        """Whether it is final, and nothing of it can still be running: it never changes again."""
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
        """What it waits for, or why it was cancelled where nobody asked for that; for people."""
        if self.queued and not self.cancel_requested:
            return "waits for its turn"
        parts = [self.reason] if self.cancel_requested and self.reason else []
        if self.status.is_final and not self.is_settled:
            parts.append("builds may still run, until the builder confirms that they have ended")
        return "; ".join(parts)

    @cached_property
    def etag(self) -> str:
        """A short name of what people see of it: that is other where this is."""
        builds = tuple(
            (
                *(name, b.status, b.message, b.build_id, b.image, b.digest, b.commit, b.reused),
                # By what time it is: how a time zone is called depends on who has read it.
                *(each and each.timestamp() for each in (b.started, b.ended)),
            )
            for name, b in self.builds.items()
        )
        shown = (
            self.id,
            self.created.timestamp(),
            self.description,
            self.status,
            self.message,
            builds,
        )
        return hashlib.sha256(repr(shown).encode("utf-8", "backslashreplace")).hexdigest()[:16]

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
