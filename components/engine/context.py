"""What every operation of the engine works with, and what it answers."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random, SystemRandom
from typing import Generic, TypeVar

from backends.builders.base import Builder
from backends.runners.base import Runner
from backends.runners.none import NoRunner
from backends.stores.base import Store
from components.engine.breaker import Breaker
from components.engine.deployments.model import Deployment
from components.engine.recent import Recent
from components.engine.work import Work

T = TypeVar("T")


Read = Recent[tuple[str, str, str], Deployment]
"""Deployments by the tool, name and version of the documents that they were read from."""

LONGEST_PAUSE = timedelta(seconds=10)
"""How long a deployment is left alone by itself, at most."""

_READ_MOST, _READ_BYTES = 10_000, 8 * 1024 * 1024


class UniqueTimes:
    """Times that differ: no two deployments of this process have been created at the same one."""

    def __init__(self) -> None:
        self._latest = datetime.min.replace(tzinfo=UTC)

    def after(self, now: datetime) -> datetime:
        """Return `now`, or the first microsecond that has not been given out since."""
        self._latest = max(now, self._latest + timedelta(microseconds=1))
        return self._latest


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take.

    A claim lasts for `launch`; it is also how long a builder may take to say that a build it was
    told to end has ended. `settling` and `knows_keys` are the builder's own, see `Builder`.
    """

    launch: timedelta = timedelta(minutes=1)
    build: timedelta = timedelta(minutes=30)
    run: timedelta = timedelta(minutes=10)
    deployment: timedelta = timedelta(hours=1)
    settling: timedelta = timedelta()
    knows_keys: bool = True

    @property
    def start(self) -> timedelta:
        """How long a builder's answer to a start is waited for.

        It is half of a claim: a start begins in the first half, and has ended when the claim does.
        """
        return self.launch / 2

    @property
    def heartbeat(self) -> timedelta:
        """How often it is stored of a build in which nothing changes that it was asked for."""
        return self.build / 10

    @property
    def gap(self) -> timedelta:
        """How long there may be between two answers about a build where the builder could be asked.

        What was heard last is a heartbeat old at most when the deployment is looked at, and that
        may take its time.
        """
        return 2 * (self.heartbeat + LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class Engine:
    """A store, a builder, a runner, and the few numbers that say how they are used.

    `builder_timeout` is how long, in seconds, a request waits for the builder; the call itself goes
    on after that. Status queries and cancellations have half of it.
    `instance` is the name that this process puts on its claims.
    Of one tool, `max_running` deployments run at a time (0: all of them) and `max_queued` wait.
    """

    store: Store
    builder: Builder
    deployments_kept: int = 10
    configs_kept: int = 10
    max_running: int = 0
    max_queued: int = 5
    builder_timeout: float = 15.0
    limits: Limits = Limits()
    instance: str = "single"
    random: Random = field(default_factory=SystemRandom)
    unique_times: UniqueTimes = field(default_factory=UniqueTimes)
    read: Read = field(default_factory=lambda: Recent(_READ_MOST, _READ_BYTES))
    work: Work = field(default_factory=Work)
    breaker: Breaker = field(default_factory=Breaker)
    runner: Runner = field(default_factory=NoRunner)
    runner_breaker: Breaker = field(default_factory=Breaker)

    @property
    def notices(self) -> tuple[str, ...]:
        """What every answer about a deployment warns of."""
        return tuple(filter(None, (self.builder.notice, self.runner.notice)))


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A result, and what people should be told with it."""

    value: T
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    info: tuple[str, ...] = ()
