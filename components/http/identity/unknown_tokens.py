"""How often strangers may make an instance look for a token in the store."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from components.engine.cache import BoundedCache
from components.engine.tokens.errors import BadToken
from components.http.middlewares.rates import Rate

T = TypeVar("T")

_MAX_KNOWN = 10_000


class UnknownTokens:
    """A rate limit, for all tools together, of tokens that this instance has not accepted before.

    Anybody can send tokens that look right, and each is looked for in the store. One that was
    accepted before does not count, so that strangers cannot keep its owner out; it is looked for
    all the same, since it may have been revoked.
    """

    def __init__(self, per_minute: int) -> None:
        what = "tokens that this instance has not accepted before are looked for in a minute"
        self._rate = Rate(per_minute, what)
        self._accepted: BoundedCache[str, bool] = BoundedCache(_MAX_KNOWN, _MAX_KNOWN)

    async def check(self, key: str, check: Callable[[], Awaitable[T]]) -> T:
        """Return what `check` returns for the token that `key` stands for.

        Raises `TooManyRequests`, and what `check` raises, which is `BadToken` for a bad one.
        """
        if not self._accepted.get(key):
            await self._rate.acquire("")
        try:
            found = await check()
        except BadToken:
            self._accepted.put(key, value=False, size=1)
            raise
        self._accepted.put(key, value=True, size=1)
        return found
