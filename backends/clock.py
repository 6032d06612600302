"""The wall-clock time, and the time elapsed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the time, in UTC."""

# Continues while the machine is suspended; CLOCK_MONOTONIC does not (clock_gettime(2)).
_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def utc_now() -> datetime:
    """Return this machine's time, in UTC."""
    return datetime.now(UTC)


def elapsed() -> float:
    """Return seconds since some moment, on a clock that is never set and includes suspend time.

    A virtual machine does not see the time for which its host has paused it.
    """
    return time.clock_gettime(_ELAPSED)
