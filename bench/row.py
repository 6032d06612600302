"""A row of the table: what is measured, against what, and what is to be reached."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from bench.context import Bench
from bench.rounds import Result


class Skipped(Exception):
    """A row cannot be measured here; the message says what is missing."""


class Unit(Enum):
    """What the figures of a row count."""

    RATE = "requests in a second of the server's processor time"
    SECONDS = "seconds"
    MICROSECONDS = "seconds of processor time for one request"
    BYTES = "bytes"
    SHARE = "seconds of processor time in a second"


class Better(Enum):
    """Which ratios are better."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `measure` raises `Skipped` where it cannot be measured."""

    name: str
    what: str
    against: str
    unit: Unit
    better: Better
    target: str
    measure: Callable[[Bench], Awaitable[Result]]
