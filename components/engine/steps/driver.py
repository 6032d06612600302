"""What a kind of step has to provide so that it can be asked for, started and ended."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from backends.errors import BackendError
from backends.status import Status
from components.engine.breaker import Breaker
from components.engine.deployments.model import Deployment
from components.engine.steps.model import Step

S = TypeVar("S", bound=Step)


class State(Protocol):
    """What a backend says of a step; `lost` where it does not know the step any more."""

    @property
    def id(self) -> str:
        """The backend's own id of it."""

    @property
    def status(self) -> Status:
        """How it goes."""

    @property
    def message(self) -> str:
        """For people."""

    @property
    def started(self) -> datetime | None:
        """When it began."""

    @property
    def ended(self) -> datetime | None:
        """When it ended."""

    @property
    def lost(self) -> bool:
        """Whether the backend does not know it any more."""


@dataclass(frozen=True, slots=True)
class Driver(ABC, Generic[S]):
    """The steps of one kind, and the backend that does them. Its calls raise `BackendError`."""

    noun: ClassVar[str]
    """What such a step is called: `build`."""

    backend: ClassVar[str]
    """What does it: `the builder`."""

    fences: ClassVar[bool] = False
    """Whether an earlier request never undoes a later one, so that no outcome has to be sought."""

    @property
    @abstractmethod
    def breaker(self) -> Breaker:
        """What is known of whether the backend answers."""

    @property
    @abstractmethod
    def settling(self) -> timedelta:
        """How long a start that was not answered may still be carried out."""

    @abstractmethod
    def steps(self, deployment: Deployment) -> Mapping[str, S]:
        """Return the steps of this kind that a deployment has, by component."""

    async def prepare(self, deployment: Deployment) -> Any:
        """Return what all starts of this moment share; nothing may be started here."""
        return None

    @abstractmethod
    async def start(self, deployment: Deployment, component: str, prepared: Any) -> State:
        """Start a step that is claimed, or return the state of the one that is there."""

    @abstractmethod
    async def get(
        self, deployment: Deployment, components: Collection[str]
    ) -> Mapping[str, State | None]:
        """Return the states of steps, in one question; None where there is nothing new."""

    @abstractmethod
    async def end(self, deployment: Deployment, components: Collection[str]) -> Mapping[str, S]:
        """Ask the backend to end steps. Return those of which it is known already what they are.

        A failure is logged and not raised: the next round asks again.
        """

    @abstractmethod
    def observed(self, step: S, state: Any, now: datetime) -> S:
        """Return a step with what the backend said of it at the store's time `now`."""

    @abstractmethod
    def lost(self, step: S, now: datetime) -> S:
        """Return a step that the backend has lost by `now`, as it is started again."""

    @abstractmethod
    def rejected(self, deployment: Deployment, step: S, error: BackendError, now: datetime) -> S:
        """Return a step that the backend will never do."""
