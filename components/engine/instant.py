"""The store's time at one moment, and how far back it can be relied on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from backends.stores.base import Store


@dataclass(frozen=True, slots=True)
class Instant:
    """A time, and for how long the clock has gone on evenly until then."""

    now: datetime
    steady: timedelta = timedelta.max

    @classmethod
    async def of(cls, store: Store) -> Self:
        """Return the present instant. Raises `Unavailable` where the store does not tell."""
        now = await store.now()
        return cls(now, store.steady_for())

    def is_past(self, end: datetime, since: datetime, at: datetime | None = None) -> bool:
        """Whether a time that began `since` had ended `at` a moment, or now.

        A clock that has jumped meanwhile proves nothing: the jump may be a part of it.
        """
        return (at or self.now) >= end and self.steady >= end - since
