"""A tool's configuration documents: reading and replacing the current one, archiving, pruning.

Before a configuration is replaced or deleted, it is archived in a document of its own. The name of
that document is derived from the configuration, so an interrupted or repeated request does no harm.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from backends.stores.base import AlreadyExists, Document, DocumentState, NotFound, StoreError
from components.engine.configurations.documents import (
    CONFIGURATION,
    HISTORY,
    Configuration,
    check_form,
    configuration_data,
    history_name,
)
from components.engine.context import Engine


@dataclass(frozen=True, slots=True)
class StoredConfigurations:
    """A tool's configuration documents; the archived ones are newest first."""

    current: Document | None
    earlier: tuple[Document, ...]
    warnings: tuple[str, ...]


def later_than(current: Configuration | None, now: datetime) -> datetime:
    """Return `now`, or the first microsecond after `current` was stored, if that is later."""
    if current is None or current.stored is None:
        return now
    return max(now, current.stored + timedelta(microseconds=1))


async def read_configurations(engine: Engine, tool: str) -> StoredConfigurations:
    """Return a tool's configurations. Raises `Corrupt` where the current one cannot be read."""
    listing = await engine.store.list(tool, CONFIGURATION, HISTORY)
    for error in listing.corrupt:
        if error.kind == CONFIGURATION:
            raise error
    current = [each for each in listing.documents if each.kind == CONFIGURATION]
    earlier = [each for each in listing.documents if each.kind == HISTORY]
    earlier.sort(key=lambda each: each.name, reverse=True)
    return StoredConfigurations(
        current[0] if current else None, tuple(earlier), tuple(map(str, listing.corrupt))
    )


async def put(
    engine: Engine,
    tool: str,
    read: Document | None,
    current: Configuration | None,
    new: Configuration,
) -> None:
    """Put `new` in the place of what was read, or create it, and archive `current`.

    Raises `Conflict`, `AlreadyExists` or `NotFound` where that has changed, `MadeByNewer` and what
    else the store raises.
    """
    data = configuration_data(new)
    if read is None or current is None:
        await engine.store.create(tool, CONFIGURATION, CONFIGURATION, data)
    else:
        check_form(read)
        if engine.configs_kept > 1:
            await archive(engine, tool, read, current)
        await engine.store.replace(read, data, DocumentState.PLAIN)


async def archive(engine: Engine, tool: str, read: Document, current: Configuration) -> None:
    """Archive a configuration that is about to be replaced, exactly as stored, if not done yet."""
    name = history_name(current)
    with suppress(AlreadyExists):
        await engine.store.create(tool, HISTORY, name, read.data, DocumentState.SEALED)


async def prune(engine: Engine, tool: str, read: StoredConfigurations, newer: int) -> Sequence[str]:
    """Remove the oldest archived configurations; `newer` have been added since these were read.

    Return warnings: an error does not affect the new configuration.
    """
    excess = read.earlier[max(engine.configs_kept - newer, 0) :]
    outcomes = await asyncio.gather(
        *(engine.store.delete(tool, HISTORY, each.name, each.version) for each in excess),
        return_exceptions=True,
    )
    failures = [each for each in outcomes if each and not isinstance(each, NotFound)]
    for failure in failures:
        if not isinstance(failure, StoreError):
            raise failure
    return [f"pruning an earlier configuration failed: {each}" for each in failures]
