"""What every operation of the engine works with, and what it answers."""

from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Generic, TypeVar

from backends.builders.base import Builder
from backends.stores.base import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Engine:
    """A store, a builder, and the few numbers that say how they are used.

    `patience` is how long, in seconds, a builder's answer is waited for.
    """

    store: Store
    builder: Builder
    deployments_kept: int = 10
    patience: float = 15.0
    random: Random = field(default_factory=SystemRandom)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A result, and what people should be told with it."""

    value: T
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
