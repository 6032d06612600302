"""Counts the runs of one tool while some are being created, so that no more than a limit are.

Starts at the same moment share one list of the runs and are then sent in parallel. A run that is
not in the list yet is remembered until a later list has it.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, weakref_slot=True)
class Slots:
    """The runs of a tool that are being created, and those created since the last list.

    `created` has the number of lists that had been requested by then.
    """

    lists: int = 0
    creating: set[str] = field(default_factory=set)
    created: dict[str, int] = field(default_factory=dict)

    def next_list(self) -> int:
        """Return the number of a list that is requested now."""
        self.lists += 1
        return self.lists

    def used(self, number: int, unfinished: Collection[str], name: str) -> int:
        """Return how many other runs than one of a name there are.

        `unfinished` is of the list of that number; what was created since is added.
        """
        self.created = {each: lists for each, lists in self.created.items() if lists >= number}
        return len({*unfinished, *self.creating, *self.created} - {name})

    @contextmanager
    def taken(self, name: str) -> Iterator[None]:
        """Count a run that is being created; afterwards, whatever the outcome, it may exist."""
        self.creating.add(name)
        try:
            yield
        finally:
            self.creating.discard(name)
            self.created[name] = self.lists
