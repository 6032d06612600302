"""The interface of a builder, its data types and its errors.

BuilderError
├── BuildRejected        the request is wrong, for good; in the backend's own words
├── NoFreeSlot           nothing is wrong, and there is no room for this build now
├── BuildNotFound        the backend has no log of this build: unknown, or lost
└── BuilderUnavailable   the backend does not answer; worth another try later
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from backends.errors import BackendBusy, BackendError, BackendRejected, BackendUnavailable, clip
from backends.status import Status as BuildStatus

__all__ = ["BuildStatus"]


@dataclass(frozen=True, slots=True)
class Source:
    """What to build, as the configuration has it; None is what the configuration leaves out."""

    repository: str
    ref: str | None = None
    use_latest_versions: bool | None = None
    use_deprecated_versions: bool | None = None


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A build to start.

    `key` is the same for every attempt of one build and for no other build, so that starting
    twice gives one build. `repeated` is False where no earlier attempt can have started it, which
    spares a builder a search; `first_attempt` is the time, in UTC, of the first one that can, and
    `last_attempt` when the last of them was broken off. `taken` holds the ids of builds that are
    known to be others' and are never this one; it is only filled in for a builder that does not
    know keys.
    """

    tool: str
    component: str
    source: Source
    key: str
    first_attempt: datetime
    repeated: bool = True
    last_attempt: datetime | None = None
    taken: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BuildState:
    """What is known of a build now. `message` is for people and is clipped to 2 KiB.

    `lost` says that the backend does not know the build any more, so that nobody can tell how it
    ended; its status is then `ERROR`.
    """

    id: str
    status: BuildStatus
    message: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    commit: str | None = None
    image: str | None = None
    digest: str | None = None
    lost: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", clip(self.message))


class BuilderError(BackendError):
    """The root of all that a builder raises; the message is for people.

    From `start`, `maybe_started` says that the build may have been started all the same: an earlier
    request of the same call was not answered, or this one was not.
    """


class BuildRejected(BuilderError, BackendRejected):
    """The backend will never build this; the message is its own."""


class NoFreeSlot(BuilderError, BackendBusy):
    """The backend has no room for another build now."""


class BuildNotFound(BuilderError):
    """The backend does not know the build whose log was asked for."""


class BuilderUnavailable(BuilderError, BackendUnavailable):
    """The backend cannot be reached or does not answer; the same call may go through later."""


class Builder(ABC):
    """Something that builds images.

    Every method may raise `BuilderUnavailable`. A call that raises it, or that never returns,
    may have been carried out: that is what the key of a request is for.
    """

    notice: str = ""
    """A warning for every answer about a deployment; empty where there is nothing to warn of."""

    runs_here: bool = False
    """Whether builds run on this machine, where they reach what listens on it: then a caller in
    plain text has to know a secret besides."""

    knows_keys: bool = True
    """Whether the backend itself never makes a second build of one key, so that a start whose
    outcome is not known may be repeated at once. Otherwise it is only looked for until `settling`
    is over."""

    settling: timedelta = timedelta()
    """How long after a start was broken off its request may still be carried out: a search that
    finds nothing before proves nothing."""

    unique_images: bool = False
    """Whether the name of an image is one build's alone, so that it can be deployed again by its
    name. Otherwise only an image with a digest can."""

    async def open(self) -> None:  # noqa: B027 - a builder that needs nothing does nothing
        """Get ready; called once, before anything else. Raises `EnvError` for a bad setting."""

    @abstractmethod
    async def start(self, request: BuildRequest) -> BuildState:
        """Start a build, or find the one that an earlier attempt with the same key has started.

        Raises `BuildRejected`, `NoFreeSlot`.
        """

    async def find(self, request: BuildRequest) -> BuildState | None:
        """Return the build that an earlier `start` of this request has made; None if there is none.

        It is asked for what is to be cancelled. A builder that can only tell by starting does that.
        """
        try:
            return await self.start(request)
        except (BuildRejected, NoFreeSlot):
            return None

    @abstractmethod
    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        """Return the states of builds of one tool by id, in one call to the backend.

        None where there is no news. A build that the backend does not know any more is `lost`.
        """

    @abstractmethod
    async def cancel(self, tool: str, build_id: str) -> None:
        """Ask that a build end now. Of a build that has ended, or is not known, it asks nothing."""

    @abstractmethod
    def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """Yield the lines of a build's log, without line ends; if `follow`, until the build ends.

        Raises `BuildNotFound`, at the latest when the first line is asked for.
        """

    async def resolve(self, tool: str, source: Source) -> str | None:
        """Return the commit that a source means now; None from a builder that cannot tell.

        Raises `BuildRejected` where the repository or the ref does not exist.
        """
        return None

    async def has_image(self, tool: str, image: str) -> bool | None:
        """Return whether an image that was built is still there; None where that is not known."""
        return None

    @abstractmethod
    async def ping(self) -> None:
        """Return if the backend answers. Raises `BuilderUnavailable`."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections and of what this process runs; not used afterwards."""
