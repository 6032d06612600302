"""What can be done with a tool's one configuration: get, set, delete."""

from typing import Any

from backends.stores.base import AlreadyExists, Conflict, DocumentState, NotFound
from components.configuration.validation import ineffective, validate
from components.engine.context import Answer, Engine
from components.engine.documents import CONFIGURATION, configuration_data, configuration_of
from components.engine.errors import Contended, NoConfiguration, NoSuchTool
from components.engine.progress import MAX_ATTEMPTS


async def get_configuration(engine: Engine, tool: str) -> Any:
    """Return a tool's configuration exactly as it was given. Raises `NoConfiguration`."""
    try:
        return configuration_of(await engine.store.get(tool, CONFIGURATION, CONFIGURATION))
    except NotFound:
        raise NoConfiguration(tool) from None


async def set_configuration(engine: Engine, tool: str, configuration: Any) -> Answer[Any]:
    """Store a configuration in the place of the one before; return it, with what has no effect.

    Raises `InvalidConfiguration`, `NoSuchTool`, `Contended` and what the store raises.
    """
    validate(configuration)
    await _store(engine, tool, configuration)
    return Answer(configuration, tuple(map(str, ineffective(configuration))))


async def _store(engine: Engine, tool: str, configuration: Any) -> None:
    data = configuration_data(configuration)
    for _ in range(MAX_ATTEMPTS):
        try:
            document = await engine.store.get(tool, CONFIGURATION, CONFIGURATION)
        except NotFound:
            try:
                await engine.store.create(tool, CONFIGURATION, CONFIGURATION, data)
            except AlreadyExists:
                continue
            except NotFound:
                raise NoSuchTool(tool) from None
            return
        try:
            await engine.store.replace(document, data, DocumentState.PLAIN)
        except (Conflict, NotFound):
            continue
        return
    raise Contended(f"the configuration of tool {tool!r}")


async def delete_configuration(engine: Engine, tool: str) -> Any:
    """Remove a tool's configuration and return it. Raises `NoConfiguration`, `Contended`."""
    for _ in range(MAX_ATTEMPTS):
        try:
            document = await engine.store.get(tool, CONFIGURATION, CONFIGURATION)
            configuration = configuration_of(document)
            await engine.store.delete(tool, CONFIGURATION, CONFIGURATION, document.version)
        except Conflict:
            continue
        except NotFound:
            raise NoConfiguration(tool) from None
        return configuration
    raise Contended(f"the configuration of tool {tool!r}")
