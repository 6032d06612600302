"""What can be done with a tool's one configuration: get, set, delete, and look at earlier ones.

Before one takes the place of another, that is copied to a document of its own, whose name follows
from it; so whoever is broken off between the two, or does it twice, leaves nothing wrong.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backends.stores.base import (
    AlreadyExists,
    Conflict,
    Corrupt,
    Document,
    DocumentState,
    NotFound,
    StoreError,
)
from components.configuration.validation import ineffective, validate
from components.engine.configurations.documents import (
    CONFIGURATION,
    HISTORY,
    Configuration,
    check_form,
    configuration_data,
    configuration_of,
    history_name,
)
from components.engine.context import Answer, Engine
from components.engine.deployments.storing import MAX_ATTEMPTS
from components.engine.errors import (
    ConfigurationChanged,
    NoConfiguration,
    NoSuchTool,
    TooManyConflicts,
)
from components.engine.queue.admission import cancel_waiting
from components.engine.threads import run_in_thread

ANY = "*"
"""Stands for the tag of any configuration, as in HTTP."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be stored for a write to be carried out.

    `etags` are those of which one must be that of the stored configuration, or `ANY`; `absent` asks
    that there be none. Without either, anything may be.
    """

    etags: frozenset[str] | None = None
    absent: bool = False

    def check(self, current: Configuration | None) -> None:
        """Raise `ConfigurationChanged` where `current` is not what is asked for."""
        etag = current.etag if current else None
        wanted = self.etags is None or (etag is not None and bool(self.etags & {etag, ANY}))
        if not wanted or (self.absent and current):
            raise ConfigurationChanged(etag)


ALWAYS = Condition()


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A configuration that is kept, and whether it is the stored one."""

    value: Any
    stored: datetime | None
    etag: str
    current: bool


@dataclass(frozen=True, slots=True)
class _Stored:
    """A tool's configuration documents, the earlier ones newest first."""

    current: Document | None
    earlier: tuple[Document, ...]
    warnings: tuple[str, ...]


async def get_configuration(engine: Engine, tool: str) -> Configuration:
    """Return a tool's configuration exactly as it was given. Raises `NoConfiguration`."""
    try:
        return configuration_of(await engine.store.get(tool, CONFIGURATION, CONFIGURATION))
    except NotFound:
        raise NoConfiguration(tool) from None


async def list_configurations(engine: Engine, tool: str) -> Answer[tuple[HistoryEntry, ...]]:
    """Return the configurations of a tool that are kept, newest first; the stored one is first."""
    return await run_in_thread(_history, await _read(engine, tool))


def _history(stored: _Stored) -> Answer[tuple[HistoryEntry, ...]]:
    current = configuration_of(stored.current) if stored.current else None
    earlier, warnings = [], list(stored.warnings)
    for document in stored.earlier:
        try:
            found = configuration_of(document)
        except Corrupt as error:
            warnings.append(str(error))
        else:
            # What was copied and then not replaced is there twice.
            earlier += [found] if found != current else []
    kept = [HistoryEntry(each.value, each.stored, each.etag, current=False) for each in earlier]
    if current:
        kept.insert(0, HistoryEntry(current.value, current.stored, current.etag, current=True))
    return Answer(tuple(kept), tuple(warnings))


async def set_configuration(
    engine: Engine, tool: str, value: Any, condition: Condition = ALWAYS
) -> Answer[Configuration]:
    """Store a configuration in the place of the one before; return it, with what has no effect.

    To store what is stored already changes nothing. Raises `InvalidConfiguration`,
    `ConfigurationChanged`, `NoSuchTool`, `MadeByNewer`, `TooManyConflicts` and what the store
    raises.
    """
    warnings = await run_in_thread(_checked, value)
    for _ in range(MAX_ATTEMPTS):
        stored = await _read(engine, tool)
        current = configuration_of(stored.current) if stored.current else None
        new = Configuration(value, _later_than(current, await engine.store.now()))
        if current and current.etag == new.etag:
            # Also where it was stored by this same request, whose answer was lost.
            return Answer(current, warnings)
        condition.check(current)
        try:
            await _put(engine, tool, stored.current, current, new)
        except (Conflict, AlreadyExists):
            continue
        except NotFound:
            if stored.current:
                continue
            raise NoSuchTool(tool) from None
        newer = 2 if stored.current else 1
        return Answer(new, (*warnings, *await _prune(engine, tool, stored, newer)))
    raise TooManyConflicts(f"the configuration of tool {tool!r}")


async def delete_configuration(
    engine: Engine, tool: str, condition: Condition = ALWAYS
) -> Answer[Configuration]:
    """Remove a tool's configuration and return it. What waits to be deployed is cancelled.

    Raises `NoConfiguration`, `ConfigurationChanged`, `TooManyConflicts` and what the store raises.
    """
    for _ in range(MAX_ATTEMPTS):
        stored = await _read(engine, tool)
        if stored.current is None:
            condition.check(None)
            raise NoConfiguration(tool)
        check_form(stored.current)
        current = configuration_of(stored.current)
        condition.check(current)
        try:
            await _archive(engine, tool, stored.current, current)
            await engine.store.delete(tool, CONFIGURATION, CONFIGURATION, stored.current.version)
        except (Conflict, NotFound):
            continue
        warnings = (
            *await _prune(engine, tool, stored, newer=1),
            *await cancel_waiting(engine, tool),
        )
        return Answer(current, warnings)
    raise TooManyConflicts(f"the configuration of tool {tool!r}")


def _checked(value: Any) -> tuple[str, ...]:
    """Return what has no effect. Raises `InvalidConfiguration`."""
    validate(value)
    return tuple(map(str, ineffective(value)))


def _later_than(current: Configuration | None, now: datetime) -> datetime:
    if current is None or current.stored is None:
        return now
    return max(now, current.stored + timedelta(microseconds=1))


async def _read(engine: Engine, tool: str) -> _Stored:
    listing = await engine.store.list(tool, CONFIGURATION, HISTORY)
    for error in listing.corrupt:
        if error.kind == CONFIGURATION:
            raise error
    current = [each for each in listing.documents if each.kind == CONFIGURATION]
    earlier = [each for each in listing.documents if each.kind == HISTORY]
    earlier.sort(key=lambda each: each.name, reverse=True)
    return _Stored(
        current[0] if current else None, tuple(earlier), tuple(map(str, listing.corrupt))
    )


async def _put(
    engine: Engine,
    tool: str,
    read: Document | None,
    current: Configuration | None,
    new: Configuration,
) -> None:
    data = configuration_data(new)
    if read is None or current is None:
        await engine.store.create(tool, CONFIGURATION, CONFIGURATION, data)
    else:
        check_form(read)
        if engine.configs_kept > 1:
            await _archive(engine, tool, read, current)
        await engine.store.replace(read, data, DocumentState.PLAIN)


async def _archive(engine: Engine, tool: str, read: Document, current: Configuration) -> None:
    """Copy a configuration that is about to go as it is stored, unless that was done already."""
    name = history_name(current)
    with suppress(AlreadyExists):
        await engine.store.create(tool, HISTORY, name, read.data, DocumentState.SEALED)


async def _prune(engine: Engine, tool: str, read: _Stored, newer: int) -> Sequence[str]:
    """Remove the oldest of the earlier configurations, of which `newer` came since these were read.

    Return warnings: what was stored stands whether or not old ones can go.
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
    return [f"an earlier configuration could not be removed: {each}" for each in failures]
