"""Rate limits, counted in memory on each instance."""

from functools import lru_cache

from aiolimiter import AsyncLimiter

from components.http.errors import TooManyRequests

_MAX_KEYS = 100_000
"""How many keys have a rate limiter at a time."""


class Rate:
    """A rate limit for each key, such as a tool, in requests per minute; 0 means unlimited.

    The bucket allows a burst of that size, and then refills evenly. `what` is for the message:
    `at most 60 {what}`.
    """

    def __init__(self, per_minute: int, what: str) -> None:
        self._per_minute = per_minute
        self._what = what
        # An evicted bucket was not used for long, so that it would be full again.
        self._bucket_of = lru_cache(_MAX_KEYS)(lambda key: AsyncLimiter(per_minute, 60))

    async def acquire(self, key: str) -> None:
        """Count one request. Raises `TooManyRequests`."""
        if not self._per_minute:
            return
        bucket = self._bucket_of(key)
        if not bucket.has_capacity():
            raise TooManyRequests(
                f"at most {self._per_minute} {self._what}: wait and retry",
                60 / self._per_minute,
            )
        await bucket.acquire()
