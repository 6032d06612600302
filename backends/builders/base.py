"""The interface of a builder, its data types and its errors.

BuilderError
├── BuildRejected        the request is invalid and will never succeed; the backend's message
├── NoFreeSlot           the request is valid, but the build limit is reached
├── BuildNotFound        the backend has no log of this build: unknown, or lost
└── BuilderUnavailable   the backend does not respond; retry later
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
    """What to build, as in the configuration; None where the configuration does not set it."""

    repository: str
    ref: str | None = None
    use_latest_versions: bool | None = None
    use_deprecated_versions: bool | None = None


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A build to start.

    `key` is the idempotency key: all attempts of one build share it, and no other build has it.
    `repeated` is False if no earlier attempt can have started the build, so a builder need not
    search. `first_attempt` is the time, in UTC, of the first attempt that can have; `last_attempt`
    is when the last one was aborted. `taken` holds the ids of builds known to belong to other
    requests; it is only set for a builder without idempotency keys.
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
    """What is currently known about a build. `message` is for people and is clipped to 2 KiB.

    `lost` means that the backend no longer knows the build, so its outcome cannot be determined;
    its status is then `ERROR`.
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


@dataclass(frozen=True, slots=True)
class Built:
    """A build that the backend has, whoever started it: the name of its image, and its source.

    `image` is the image's full name, once it is known.
    """

    name: str
    source: Source
    status: BuildStatus
    image: str | None = None


class BuilderError(BackendError):
    """The root of all that a builder raises; the message is for people.

    From `start`, `maybe_started` means that the build may have been started anyway: this request,
    or an earlier request of the same call, got no response.
    """


class BuildRejected(BuilderError, BackendRejected):
    """The backend will never build this; the message is its own."""


class NoFreeSlot(BuilderError, BackendBusy):
    """The backend has no room for another build now."""


class BuildNotFound(BuilderError):
    """The backend does not know the build whose log was requested."""


class BuilderUnavailable(BuilderError, BackendUnavailable):
    """The backend cannot be reached or does not answer; the same call may go through later."""


class Builder(ABC):
    """Builds images.

    Every method may raise `BuilderUnavailable`. A call that raises it, or never returns, may still
    have been executed: the idempotency key of a request makes it safe to repeat.
    """

    notice: str = ""
    """A warning for every response about a deployment; empty if there is none."""

    runs_here: bool = False
    """Whether builds run on this machine, where they can connect to local ports. A caller over
    plain text then also needs a secret."""

    knows_keys: bool = True
    """Whether the backend itself deduplicates builds by key, so that a start with an unknown
    outcome may be repeated at once. Otherwise the build is only searched for until `settling` has
    passed."""

    settling: timedelta = timedelta()
    """How long after an aborted start its request may still be executed: until then, a search
    without a result proves nothing."""

    unique_images: bool = False
    """Whether each build has its own image name, so that an image can be deployed again by its
    name. Otherwise that takes an image with a digest."""

    async def open(self) -> None:  # noqa: B027 - nothing to do by default
        """Open the builder; called once, at the start. Raises `EnvError` for a bad setting."""

    @abstractmethod
    async def start(self, request: BuildRequest) -> BuildState:
        """Start a build, or find the build that an earlier attempt with the same key started.

        Raises `BuildRejected`, `NoFreeSlot`.
        """

    async def find(self, request: BuildRequest) -> BuildState | None:
        """Return the build that an earlier `start` of this request created; None if there is none.

        It is called for builds that are to be cancelled. A builder that can only find a build by
        starting it starts it.
        """
        try:
            return await self.start(request)
        except (BuildRejected, NoFreeSlot):
            return None

    @abstractmethod
    async def get(self, tool: str, ids: Collection[str]) -> Mapping[str, BuildState | None]:
        """Return the states of builds of one tool by id, in one call to the backend.

        None means that there is no new state. A build that the backend no longer knows is `lost`.
        """

    @abstractmethod
    async def cancel(self, tool: str, build_id: str) -> None:
        """Request that a build be cancelled. Does nothing if it has ended or is unknown."""

    @abstractmethod
    def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """Yield the lines of a build's log, without line ends; if `follow`, until the build ends.

        Raises `BuildNotFound`, at the latest when the first line is requested.
        """

    async def resolve(self, tool: str, source: Source) -> str | None:
        """Return the commit that a source resolves to now; None if the builder cannot tell.

        Raises `BuildRejected` if the repository or the ref does not exist.
        """
        return None

    async def existing(self, tool: str, wanted: Mapping[str, Source]) -> Mapping[str, BuildState]:
        """Return builds that need not be started again, by component, whoever started them.

        The ref of each source is its commit. A build is finished and has its image, or it still
        runs; no other build that is known to the backend takes its image's name over.
        """
        return {}

    async def built(self, tool: str) -> tuple[Built, ...]:
        """Return the builds of a tool that the backend has, newest first; none if it never says."""
        return ()

    async def has_image(self, tool: str, image: str) -> bool | None:
        """Return whether a built image still exists; None if that is unknown."""
        return None

    @abstractmethod
    async def ping(self) -> None:
        """Return if the backend responds. Raises `BuilderUnavailable`."""

    @abstractmethod
    async def close(self) -> None:
        """Close connections and stop what this process runs; not used afterwards."""
