"""Which processor serves and which ones load it, so that neither disturbs the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Cores:
    """One core for the server that is measured, and the others for everything else."""

    server: frozenset[int]
    others: frozenset[int]

    @classmethod
    def here(cls) -> Self:
        """Divide the cores that this process may use; a single one is shared."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(frozenset(usable[-1:]), frozenset(usable[:-1] or usable))

    def __len__(self) -> int:
        return len(self.server | self.others)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Start a server within: what is started inherits the cores of this process."""
        os.sched_setaffinity(0, self.server)
        try:
            yield
        finally:
            os.sched_setaffinity(0, self.others)
