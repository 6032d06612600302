"""A bounded in-memory cache for values that can be computed again."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """An LRU cache with at most `max_entries` entries and at most `max_bytes` bytes in total.

    Nothing may depend on a value being cached.
    """

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._used = 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return the cached value of a key; None where there is none."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: K, value: V, size: int) -> None:
        """Cache a value that counts as `size` bytes; evict the least recently used ones."""
        self._used += size - self._entries.pop(key, (value, 0))[1]
        self._entries[key] = (value, size)
        while len(self._entries) > self._max_entries or self._used > self._max_bytes:
            _, (_, freed) = self._entries.popitem(last=False)
            self._used -= freed
