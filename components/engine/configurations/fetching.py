"""The configuration to deploy: the stored one, or what its `source_url` gives at this moment.

What was fetched is stored as if it had been posted, with its origin beside it, and is fetched again
from there by the next deployment. That ends when a client stores a configuration of its own.
"""

from typing import Any

from backends.sources.base import SourceRejected, SourceUnavailable
from backends.stores.base import Conflict, Document, NotFound
from components.configuration.problems import (
    InvalidConfiguration,
    MalformedConfiguration,
    Problem,
)
from components.configuration.reading import format_of, read
from components.configuration.validation import ineffective, validate
from components.engine.configurations.documents import Configuration, Origin, configuration_of
from components.engine.configurations.storing import (
    later_than,
    prune,
    put,
    read_configurations,
)
from components.engine.context import Answer, Engine
from components.engine.deployments.storing import MAX_ATTEMPTS
from components.engine.errors import NoConfiguration, TooManyConflicts
from components.engine.threads import run_in_thread

SOURCE_URL = "source_url"

_MAX_FETCHES = 3
"""How often a request fetches the configuration if another one is stored meanwhile."""


async def configuration_to_deploy(
    engine: Engine, tool: str, read: Document | None
) -> Answer[Configuration]:
    """Return the configuration to deploy; if it was fetched, it has been stored.

    `read` is the document of the stored one. Raises what `current_configuration` raises,
    `MadeByNewer`, `TooManyConflicts` and what the store raises.
    """
    for _ in range(_MAX_FETCHES):
        answer = await current_configuration(engine, tool, read)
        if read is None or answer.value.origin is None:
            return answer
        kept, read = await _keep(engine, tool, read, answer)
        if kept:
            return kept
    raise TooManyConflicts(f"the configuration of tool {tool!r}")


async def current_configuration(
    engine: Engine, tool: str, read: Document | None
) -> Answer[Configuration]:
    """Return the configuration that would be deployed now; nothing is stored.

    It has an `origin` if it was fetched. Raises `NoConfiguration`, `InvalidConfiguration`,
    `SourceRejected`, `SourceUnavailable`, `Corrupt`.
    """
    if read is None:
        raise NoConfiguration(tool)
    stored = configuration_of(read)
    if stored.origin is None:
        # An earlier version may have stored a configuration that is invalid now.
        await run_in_thread(validate, stored.value)
    url = stored.source_url
    if url is None:
        return Answer(stored)
    try:
        fetched = await engine.fetcher.fetch(tool, url)
    except (SourceRejected, SourceUnavailable) as error:
        raise type(error)(f"{SOURCE_URL}: {error}") from None
    value, warnings = await run_in_thread(_read, fetched.content, url)
    origin = Origin(url, fetched.commit, fetched.etag)
    message = f"the configuration was fetched from its {SOURCE_URL}: {origin.version}"
    return Answer(Configuration(value, None, origin), warnings, info=(message,))


def _read(content: bytes, url: str) -> tuple[Any, tuple[str, ...]]:
    """Return a fetched configuration, and warnings about fields without effect.

    Raises `InvalidConfiguration`, whose problems are all those of `source_url`.
    """
    try:
        value = read(content, format_of(content))
        # The one that it may have itself names no other place, and takes nothing's place.
        own = value
        if isinstance(value, dict):
            own = {name: each for name, each in value.items() if name != SOURCE_URL}
        validate(own)
    except MalformedConfiguration as error:
        raise InvalidConfiguration((_problem(error),)) from None
    except InvalidConfiguration as error:
        problems, hints = map(_problem, error.problems), map(_problem, error.hints)
        raise InvalidConfiguration(tuple(problems), tuple(hints)) from None
    warnings = [str(_problem(each)) for each in ineffective(own)]
    if value.get(SOURCE_URL, url) != url:
        warnings.append(
            f"{SOURCE_URL}: what it names has another {SOURCE_URL}, which has no effect"
        )
    return value, tuple(warnings)


def _problem(of_content: Problem | MalformedConfiguration) -> Problem:
    return Problem((SOURCE_URL,), str(of_content))


async def _keep(
    engine: Engine, tool: str, read: Document, fetched: Answer[Configuration]
) -> tuple[Answer[Configuration] | None, Document | None]:
    """Store what was fetched in the place of what was `read`, unless it is stored already.

    Return it as it is stored; or, where something else is stored meanwhile, None and that.
    """
    new = fetched.value
    for _ in range(MAX_ATTEMPTS):
        stored = await read_configurations(engine, tool)
        if stored.current is None:
            return None, None
        current = configuration_of(stored.current)
        if current.origin and current.origin.url == new.source_url and current.etag == new.etag:
            return Answer(current, fetched.warnings, info=fetched.info), stored.current
        if stored.current.version != read.version:
            return None, stored.current
        time = later_than(current, await engine.store.now())
        new = Configuration(new.value, time, new.origin)
        try:
            await put(engine, tool, stored.current, current, new)
        except (Conflict, NotFound):
            continue
        pruned = await prune(engine, tool, stored, newer=2)
        return Answer(new, (*fetched.warnings, *pruned), info=fetched.info), read
    raise TooManyConflicts(f"the configuration of tool {tool!r}")
