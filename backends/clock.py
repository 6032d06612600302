"""The time, as backends that keep their own take it: a function that a test may replace."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the time, in UTC."""


def utc_now() -> datetime:
    """Return this machine's time, in UTC."""
    return datetime.now(UTC)
