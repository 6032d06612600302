"""All rows, in the order in which they are measured: what leaves much behind comes last."""

from collections.abc import Sequence

from bench.row import Row
from bench.rows import (
    growth,
    kubernetes,
    latency,
    launching,
    memory,
    memory_store,
    starting,
    waiting,
)

ROWS = (
    *memory_store.ROWS,
    *launching.ROWS[:1],
    *latency.ROWS,
    *starting.ROWS[:1],
    *memory.ROWS[:1],
    *waiting.ROWS[:1],
    *kubernetes.ROWS,
    *launching.ROWS[1:],
    *starting.ROWS[1:],
    *waiting.ROWS[1:],
    *memory.ROWS[1:],
    *growth.ROWS,
)


def named(names: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows with these names, or whose names begin with them; all without names.

    Raises `ValueError` for a name that no row has.
    """
    for name in names:
        if not any(row.name.startswith(name) for row in ROWS):
            known = ", ".join(row.name for row in ROWS)
            raise ValueError(f"there is no row {name!r}; there are: {known}")
    return tuple(row for row in ROWS if not names or row.name.startswith(tuple(names)))
