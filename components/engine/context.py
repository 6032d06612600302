"""What every engine operation takes, `Engine`, and what it returns, `Answer`."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random, SystemRandom
from typing import Generic, TypeVar

from backends.builders.base import Builder
from backends.runners.base import Runner
from backends.runners.none import NoRunner
from backends.sources.base import Fetcher, NoFetcher
from backends.stores.base import Store
from components.engine.breaker import Breaker
from components.engine.cache import BoundedCache
from components.engine.deployments.model import Deployment
from components.engine.tasks import BackgroundTasks

T = TypeVar("T")


DeploymentCache = BoundedCache[tuple[str, str, str], Deployment]
"""Parsed deployments, by the tool, name and version of their documents."""

TokenUses = BoundedCache[str, datetime]
"""When this instance last tried to store the use of a token, by the token's hash."""

MAX_PAUSE = timedelta(seconds=10)
"""The longest time between two reconciliations of a deployment by the background loop."""

_MAX_CACHED, _MAX_CACHED_BYTES = 10_000, 8 * 1024 * 1024


class UniqueTimes:
    """Unique creation times: no two deployments of this process share one."""

    def __init__(self) -> None:
        self._latest = datetime.min.replace(tzinfo=UTC)

    def after(self, now: datetime) -> datetime:
        """Return `now`, or the first later microsecond that was not returned before."""
        self._latest = max(now, self._latest + timedelta(microseconds=1))
        return self._latest


@dataclass(frozen=True, slots=True)
class Limits:
    """Timeouts.

    `launch` is how long a claim is valid. It is also how long a builder may take to confirm that a
    cancelled build has ended. `settling` and `knows_keys` are the builder's own, see `Builder`.
    """

    launch: timedelta = timedelta(minutes=1)
    build: timedelta = timedelta(minutes=30)
    run: timedelta = timedelta(minutes=10)
    deployment: timedelta = timedelta(hours=1)
    settling: timedelta = timedelta()
    knows_keys: bool = True

    @property
    def start(self) -> timedelta:
        """How long to wait for the builder's response to a start.

        It is half of a claim: a start begins in the first half, and ends before the claim expires.
        """
        return self.launch / 2

    @property
    def heartbeat(self) -> timedelta:
        """How often an unchanged build's `seen` time is stored."""
        return self.build / 10

    @property
    def gap(self) -> timedelta:
        """The longest time between two responses about a build while the builder is available.

        A stored response is at most one heartbeat old when the deployment is reconciled, and the
        reconciliation itself takes time.
        """
        return 2 * (self.heartbeat + MAX_PAUSE)


@dataclass(frozen=True, slots=True)
class Engine:
    """A store, a builder, a runner, a fetcher of configurations, and their limits.

    `builder_timeout` is how long, in seconds, a request waits for the builder; the call itself
    continues after that. Status queries and cancellations have half of it.
    `instance` is the name of this process in its claims.
    Per tool, at most `max_running` deployments run (0 means unlimited) and `max_queued` wait.
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
    cache: DeploymentCache = field(
        default_factory=lambda: BoundedCache(_MAX_CACHED, _MAX_CACHED_BYTES)
    )
    tasks: BackgroundTasks = field(default_factory=BackgroundTasks)
    breaker: Breaker = field(default_factory=Breaker)
    runner: Runner = field(default_factory=NoRunner)
    runner_breaker: Breaker = field(default_factory=Breaker)
    fetcher: Fetcher = field(default_factory=NoFetcher)
    token_uses: TokenUses = field(default_factory=lambda: BoundedCache(_MAX_CACHED, _MAX_CACHED))

    @property
    def notices(self) -> tuple[str, ...]:
        """The warnings of every response about a deployment."""
        return tuple(filter(None, (self.builder.notice, self.runner.notice)))


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A result, with the messages for the user."""

    value: T
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    info: tuple[str, ...] = ()
