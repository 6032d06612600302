"""Operations on a tool's configuration: get, set, delete, and list its history.

Before a configuration is replaced or deleted, it is archived in a document of its own. The name of
that document is derived from the configuration, so an interrupted or repeated request does no harm.
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
"""Matches the ETag of any configuration, as in HTTP."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The precondition of a write, as in `If-Match` and `If-None-Match`.

    One of the `etags` must be that of the stored configuration, or `ANY`; `absent` requires that
    there is none. Without either, the write is unconditional.
    """

    etags: frozenset[str] | None = None
    absent: bool = False

    def check(self, current: Configuration | None) -> None:
        """Raise `ConfigurationChanged` where `current` does not satisfy the condition."""
        etag = current.etag if current else None
        matches = self.etags is None or (etag is not None and bool(self.etags & {etag, ANY}))
        if not matches or (self.absent and current):
            raise ConfigurationChanged(etag)


ALWAYS = Condition()


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A retained configuration, and whether it is the current one."""

    value: Any
    stored: datetime | None
    etag: str
    current: bool


@dataclass(frozen=True, slots=True)
class _Stored:
    """A tool's configuration documents; the archived ones are newest first."""

    current: Document | None
    earlier: tuple[Document, ...]
    warnings: tuple[str, ...]


async def get_configuration(engine: Engine, tool: str) -> Configuration:
    """Return a tool's configuration exactly as the client sent it. Raises `NoConfiguration`."""
    try:
        return configuration_of(await engine.store.get(tool, CONFIGURATION, CONFIGURATION))
    except NotFound:
        raise NoConfiguration(tool) from None


async def list_configurations(engine: Engine, tool: str) -> Answer[tuple[HistoryEntry, ...]]:
    """Return a tool's retained configurations: the current one, then the others, newest first."""
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
            # One that was archived but not replaced exists twice.
            earlier += [found] if found != current else []
    kept = [HistoryEntry(each.value, each.stored, each.etag, current=False) for each in earlier]
    if current:
        kept.insert(0, HistoryEntry(current.value, current.stored, current.etag, current=True))
    return Answer(tuple(kept), tuple(warnings))


async def set_configuration(
    engine: Engine, tool: str, value: Any, condition: Condition = ALWAYS
) -> Answer[Configuration]:
    """Replace a tool's configuration; return it, with warnings about fields without effect.

    If it equals the stored one, nothing is written. Raises `InvalidConfiguration`,
    `ConfigurationChanged`, `NoSuchTool`, `MadeByNewer`, `TooManyConflicts` and what the store
    raises.
    """
    warnings = await run_in_thread(_checked, value)
    for _ in range(MAX_ATTEMPTS):
        stored = await _read(engine, tool)
        current = configuration_of(stored.current) if stored.current else None
        new = Configuration(value, _later_than(current, await engine.store.now()))
        if current and current.etag == new.etag:
            # This is also a repeated request whose first response was lost.
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
    """Delete a tool's configuration and return it; cancel the waiting deployments.

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
    """Return warnings about fields without effect. Raises `InvalidConfiguration`."""
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
    """Archive a configuration that is about to be replaced, exactly as stored, if not done yet."""
    name = history_name(current)
    with suppress(AlreadyExists):
        await engine.store.create(tool, HISTORY, name, read.data, DocumentState.SEALED)


async def _prune(engine: Engine, tool: str, read: _Stored, newer: int) -> Sequence[str]:
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
