"""The interface of a runner, its data types and its errors.

RunnerError
├── RunRejected         the request is wrong, for good; in the platform's own words
├── Superseded          what runs was made by a newer request: this one changes nothing
├── NothingRuns         no such component runs, or none that this service made
└── RunnerUnavailable   the platform does not answer; worth another try later

A call that was sent may be carried out even if the caller is cancelled, or the call raises
`RunnerUnavailable`. Any call may be cancelled at any await: `apply` and `remove` are idempotent,
and the fence keeps a late one from doing harm; the others change nothing that is stored.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from backends.errors import BackendError, BackendRejected, BackendUnavailable, clip


class Health(StrEnum):
    """How what runs of a component does, compared with what is wanted of it."""

    PROGRESSING = "progressing"
    HEALTHY = "healthy"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunSpec:
    """The run part of a component's configuration; None is what the configuration leaves out.

    A component with a `schedule` is scheduled, any other is continuous. Quantities are Kubernetes
    quantities; `timeout` is in seconds.
    """

    command: str
    schedule: str | None = None
    timeout: int | None = None
    retry: int | None = None
    cpu: str | None = None
    memory: str | None = None
    mount: str | None = None
    emails: str | None = None
    filelog: bool | None = None
    filelog_stdout: str | None = None
    filelog_stderr: str | None = None
    port: int | None = None
    port_protocol: str | None = None
    publish: str | None = None
    replicas: int | None = None
    health_check_http: str | None = None
    health_check_script: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to run of a component. The same value always makes the same objects, byte for byte.

    `image` is pinned by digest where the digest is known. A different `revision` starts the
    component again even if nothing else differs: it names the build where the image's name may
    mean another image by now, and the deployment that forced a run.
    """

    image: str
    spec: RunSpec
    revision: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Fence:
    """The place of a request in the order of all requests for a tool: the later one wins.

    `accepted` is when the deployment was accepted (UTC), `step` is 0 for its new version and 1 for
    putting back what ran before.
    """

    accepted: datetime
    deploy_id: str
    step: int = 0

    def __str__(self) -> str:
        """Return the fence as text, whose order is that of the fences."""
        return f"{self.accepted.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}/{self.deploy_id}/{self.step}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the fence in a text; None where it is none."""
        try:
            accepted, deploy_id, step = text.split("/")
            return cls(datetime.fromisoformat(accepted).astimezone(UTC), deploy_id, int(step))
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where what runs came from: the deployment that has it, and the commit that was built."""

    deploy_id: str
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A component to bring to a wanted state.

    The fence and the component are the key: the same request twice is carried out once. `origin`
    is where the wanted state comes from: an earlier deployment where something is put back.
    """

    tool: str
    component: str
    wanted: Wanted
    origin: Origin
    fence: Fence


@dataclass(frozen=True, slots=True)
class Running:
    """What runs of a component, as this service made it. `message` is clipped to 2 KiB.

    `wanted`, `origin` and `fence` are those of the request that made it; None where somebody has
    made them unreadable. `ready` and `replicas` count instances. `started` is when the present
    version was started, `next_run` when a scheduled component runs next. `drift` names what
    somebody else has changed since. What is not `marked` does not carry what it came from: whoever
    made it, `wanted` is what it has itself, without a revision, and `origin` and `fence` are the
    engine's to know. `version` is the runner's own: it says which objects these are,
    for the next `apply` or `remove`.
    """

    component: str
    health: Health
    message: str = ""
    wanted: Wanted | None = None
    origin: Origin | None = None
    fence: Fence | None = None
    ready: int = 0
    replicas: int = 0
    restarts: int = 0
    started: datetime | None = None
    url: str | None = None
    next_run: datetime | None = None
    drift: tuple[str, ...] = ()
    marked: bool = True
    version: Any = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", clip(self.message))


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a field of a component's run part: its name, and what is to be said.

    Without a field, it is about the component.
    """

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a runner cannot carry out of a run part, and what has no effect with it."""

    problems: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()


class RunnerError(BackendError):
    """The root of all that a runner raises; the message is for people."""


class RunRejected(RunnerError, BackendRejected):
    """The platform will never run this; the message is its own."""


class Superseded(RunnerError):
    """What runs was made by a newer request than this one."""


class NothingRuns(RunnerError):
    """The component does not run, or was not started by this service."""


class RunnerUnavailable(RunnerError, BackendUnavailable):
    """The platform cannot be reached or does not answer; the same call may go through later."""


class Runner(ABC):
    """Something that runs what was built. Every method may raise `RunnerUnavailable`."""

    notice: str = ""
    """A warning for every answer about what runs; empty where there is nothing to warn of."""

    runs: bool = True
    """Whether anything runs at all: otherwise deployments end with their builds."""

    marks: bool = True
    """Whether what runs carries what it came from. Otherwise, `list` also has what others made, no
    request is fenced, `apply` takes over what others made, and the engine says what is this
    service's by the deployments that it keeps."""

    async def open(self) -> None:  # noqa: B027 - a runner that needs nothing does nothing
        """Get ready; called once, before anything else. Raises `EnvError` for a bad setting."""

    def check(self, tool: str, component: str, spec: RunSpec) -> Checked:
        """Return what this runner cannot carry out of a run part, before anything is built."""
        return Checked()

    def differences(self, running: Running, wanted: Wanted) -> tuple[str, ...]:
        """Return in what something that is not marked differs from a wanted state, for people.

        Its revision does not count: what is not marked has none.
        """
        return ()

    @abstractmethod
    async def list(self, tool: str) -> Mapping[str, Running]:
        """Return what runs of a tool, by component: only what this service made.

        It is one question, however many components there are.
        """

    @abstractmethod
    async def apply(self, request: RunRequest, running: Running | None) -> None:
        """Bring a component to a wanted state; return once the platform has accepted it.

        `running` is what the last `list` had of the component. What runs with the same wanted state
        is not started again; only its origin and its fence become the request's. Raises
        `RunRejected`, also where something of this name runs that this service did not make;
        `Superseded` where what runs has a later fence.
        """

    @abstractmethod
    async def remove(self, tool: str, running: Running, fence: Fence | None = None) -> None:
        """Stop a component and remove what this service made for it; return once that is accepted.

        It has gone when `list` no longer has it. What is gone already is no error. Raises
        `Superseded` where what runs has a later fence than `fence`.
        """

    @abstractmethod
    async def restart(self, tool: str, component: str) -> None:
        """Start a continuous component again, one instance after another.

        Raises `NothingRuns`; `RunRejected` for a scheduled one.
        """

    @abstractmethod
    async def start(self, tool: str, component: str) -> None:
        """Run a scheduled component once, now.

        Raises `NothingRuns`; `RunRejected` for a continuous one, and while it is running.
        """

    @abstractmethod
    def log(self, tool: str, component: str, *, follow: bool = False) -> AsyncIterator[str]:
        """Yield the lines of the log of what runs, without line ends; if `follow`, as they come.

        Raises `NothingRuns`, at the latest when the first line is asked for.
        """

    @abstractmethod
    async def ping(self) -> None:
        """Return if the platform answers. Raises `RunnerUnavailable`."""

    @abstractmethod
    async def close(self) -> None:
        """Close connections; not used afterwards."""
