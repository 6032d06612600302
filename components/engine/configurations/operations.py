"""Operations on a tool's configuration: get, set, delete, and list its history."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backends.stores.base import AlreadyExists, Conflict, Corrupt, NotFound
from components.configuration.validation import ineffective, validate
from components.engine.configurations.documents import (
    CONFIGURATION,
    Configuration,
    Origin,
    check_form,
    configuration_of,
)
from components.engine.configurations.storing import (
    StoredConfigurations,
    archive,
    later_than,
    prune,
    put,
    read_configurations,
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
    origin: Origin | None


async def get_configuration(engine: Engine, tool: str) -> Configuration:
    """Return a tool's configuration exactly as the client sent it. Raises `NoConfiguration`."""
    try:
        return configuration_of(await engine.store.get(tool, CONFIGURATION, CONFIGURATION))
    except NotFound:
        raise NoConfiguration(tool) from None


async def list_configurations(engine: Engine, tool: str) -> Answer[tuple[HistoryEntry, ...]]:
    """Return a tool's retained configurations: the current one, then the others, newest first."""
    return await run_in_thread(_history, await read_configurations(engine, tool))


def _history(stored: StoredConfigurations) -> Answer[tuple[HistoryEntry, ...]]:
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
    kept = [_entry(each, current=False) for each in earlier]
    if current:
        kept.insert(0, _entry(current, current=True))
    return Answer(tuple(kept), tuple(warnings))


def _entry(found: Configuration, *, current: bool) -> HistoryEntry:
    return HistoryEntry(found.value, found.stored, found.etag, current, found.origin)


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
        stored = await read_configurations(engine, tool)
        current = configuration_of(stored.current) if stored.current else None
        new = Configuration(value, later_than(current, await engine.store.now()))
        if current and current.etag == new.etag and not current.origin:
            # This is also a repeated request whose first response was lost.
            return Answer(current, warnings)
        condition.check(current)
        try:
            await put(engine, tool, stored.current, current, new)
        except (Conflict, AlreadyExists):
            continue
        except NotFound:
            if stored.current:
                continue
            raise NoSuchTool(tool) from None
        pruned = await prune(engine, tool, stored, newer=2 if stored.current else 1)
        return Answer(new, (*warnings, *pruned), info=_ended(current, new))
    raise TooManyConflicts(f"the configuration of tool {tool!r}")


async def delete_configuration(
    engine: Engine, tool: str, condition: Condition = ALWAYS
) -> Answer[Configuration]:
    """Delete a tool's configuration and return it; cancel the waiting deployments.

    Raises `NoConfiguration`, `ConfigurationChanged`, `TooManyConflicts` and what the store raises.
    """
    for _ in range(MAX_ATTEMPTS):
        stored = await read_configurations(engine, tool)
        if stored.current is None:
            condition.check(None)
            raise NoConfiguration(tool)
        check_form(stored.current)
        current = configuration_of(stored.current)
        condition.check(current)
        try:
            await archive(engine, tool, stored.current, current)
            await engine.store.delete(tool, CONFIGURATION, CONFIGURATION, stored.current.version)
        except (Conflict, NotFound):
            continue
        warnings = (
            *await prune(engine, tool, stored, newer=1),
            *await cancel_waiting(engine, tool),
        )
        return Answer(current, warnings)
    raise TooManyConflicts(f"the configuration of tool {tool!r}")


def _ended(current: Configuration | None, new: Configuration) -> tuple[str, ...]:
    """Return the message that deployments no longer fetch the configuration, if that is so."""
    if current is None or current.origin is None or new.source_url:
        return ()
    return ("deployments no longer fetch the configuration: this one has no source_url",)


def _checked(value: Any) -> tuple[str, ...]:
    """Return warnings about fields without effect. Raises `InvalidConfiguration`."""
    validate(value)
    return tuple(map(str, ineffective(value)))
