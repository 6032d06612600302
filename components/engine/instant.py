"""The store's time at one moment, and since when its clock has been steady."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from backends.stores.base import Store


@dataclass(frozen=True, slots=True)
class Instant:
    """A time, and for how long the clock had run without a jump until then."""

    now: datetime
    steady: timedelta = timedelta.max

    @classmethod
    async def of(cls, store: Store) -> Self:
        """Return the current instant. Raises `Unavailable` if the store does not respond."""
        now = await store.now()
        return cls(now, store.steady_for())

    def is_past(self, end: datetime, since: datetime, at: datetime | None = None) -> bool:
        """Whether `end` had passed `at` a moment (default: now), for a period that began `since`.

        False if the clock has jumped since then: the period may not really have passed.
        """
        return (at or self.now) >= end and self.steady >= end - since
