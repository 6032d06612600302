"""The time, in the two ways in which it is needed: what it is, and how much of it has passed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the time, in UTC."""

# Goes on while the machine is suspended, which CLOCK_MONOTONIC does not (clock_gettime(2)).
_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def utc_now() -> datetime:
    """Return this machine's time, in UTC."""
    return datetime.now(UTC)


def elapsed() -> float:
    """Return seconds since some moment, on a clock that nobody sets and that is never suspended.

    A virtual machine that its host has stopped does not see the time that it stood still.
    """
    return time.clock_gettime(_ELAPSED)
