"""What was made lately and would be made again in the same way: kept up to a bound, in memory."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The values that were used last: at most `most`, and of at most `room` bytes together.

    Whatever is not there any more can be made again, so nothing depends on what is kept.
    """

    def __init__(self, most: int, room: int) -> None:
        self._most = most
        self._room = room
        self._used = 0
        self._found: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return what is kept under a key; None where that is nothing."""
        if key not in self._found:
            return None
        self._found.move_to_end(key)
        return self._found[key][0]

    def keep(self, key: K, value: V, size: int) -> None:
        """Keep a value that counts as `size` bytes, in the place of what was used longest ago."""
        self._used += size - self._found.pop(key, (value, 0))[1]
        self._found[key] = (value, size)
        while len(self._found) > self._most or self._used > self._room:
            _, (_, freed) = self._found.popitem(last=False)
            self._used -= freed
