"""The API server's clock, as its answers tell it: what all instances share."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BEYOND_ESTIMATE_SECONDS = 2.0
"""More than any two honest answers can differ by."""


class ServerClock:
    """Narrows down by how much the server's clock is ahead of this process's monotonic one.

    Each `Date` header (RFC 9110, 6.6.1) has whole seconds: when it was written, the server's clock
    was somewhere between it and a second later. What several answers say together is closer than
    that, and no change of this machine's clock matters.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._low = self._high = 0.0
        self._known = False
        self._latest = 0.0

    @property
    def known(self) -> bool:
        """Whether any answer has been seen yet."""
        return self._known

    def elapsed(self) -> float:
        """Return the seconds on this process's own clock; a call begins and ends on it."""
        return self._monotonic()

    def observe(self, date: str, sent: float, received: float) -> None:
        """Take note of an answer: its `Date` header, and when by `elapsed` its call ran."""
        try:
            server = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        low, high = server - received, server + 1 - sent
        if self._known and max(low, self._low) <= min(high, self._high):
            low, high = max(low, self._low), min(high, self._high)
        self._low, self._high, self._known = low, high, True

    def now(self) -> datetime:
        """Return the server's time, in UTC. `known` must be true.

        It never goes back by what a better estimate takes off; only a wrong answer is taken back.
        """
        estimate = self._monotonic() + (self._low + self._high) / 2
        was_wrong = self._latest - estimate > BEYOND_ESTIMATE_SECONDS
        self._latest = estimate if was_wrong else max(self._latest, estimate)
        return datetime.fromtimestamp(self._latest, UTC)
