"""A tool has one configuration, kept exactly as it was given."""

import asyncio
import json

import pytest

from backends.stores.base import Corrupt, DocumentState
from components.configuration.problems import InvalidConfiguration
from components.engine.configuration_documents import CONFIGURATION
from components.engine.configurations import (
    delete_configuration,
    get_configuration,
    set_configuration,
)
from components.engine.context import Engine
from components.engine.errors import Contended, NoConfiguration
from tests.factories import TOOL, component, configuration
from tests.stores.counting import CountingStore


async def test_what_was_set_is_got_with_its_order_and_unknown_fields(engine: Engine) -> None:
    given = {"x-later": [1, {"b": 1, "a": 2}], "components": {"z": component(), "a": component()}}
    await set_configuration(engine, TOOL, given)
    assert json.dumps((await get_configuration(engine, TOOL)).value) == json.dumps(given)


async def test_a_tool_without_one_is_told_so(engine: Engine) -> None:
    with pytest.raises(NoConfiguration, match="'mytool' has no configuration"):
        await get_configuration(engine, TOOL)


async def test_a_later_one_takes_the_place_of_the_one_before(engine: Engine) -> None:
    await set_configuration(engine, TOOL, configuration("first"))
    await set_configuration(engine, TOOL, configuration("second"))
    assert (await get_configuration(engine, TOOL)).value == configuration("second")


async def test_one_that_is_not_valid_is_not_stored(engine: Engine, store: CountingStore) -> None:
    with pytest.raises(InvalidConfiguration):
        await set_configuration(engine, TOOL, {})
    assert not store.calls


async def test_what_has_no_effect_is_told(engine: Engine) -> None:
    answer = await set_configuration(engine, TOOL, {**configuration(), "xyz": 1})
    assert answer.warnings == ("xyz: is not known: kept, without effect",)


async def test_deleting_returns_what_it_was(engine: Engine) -> None:
    await set_configuration(engine, TOOL, configuration())
    assert (await delete_configuration(engine, TOOL)).value.value == configuration()
    with pytest.raises(NoConfiguration):
        await delete_configuration(engine, TOOL)


async def test_setting_and_getting_ask_the_store_no_more_than_needed(
    engine: Engine, store: CountingStore
) -> None:
    await set_configuration(engine, TOOL, configuration())
    assert store.calls == {"list": 1, "create": 1}
    store.calls.clear()
    await set_configuration(engine, TOOL, configuration())
    assert store.calls == {"list": 1}
    store.calls.clear()
    await set_configuration(engine, TOOL, configuration("other"))
    assert store.calls == {"list": 1, "create": 1, "replace": 1}
    store.calls.clear()
    await get_configuration(engine, TOOL)
    assert store.calls == {"get": 1}


async def test_of_simultaneous_writers_each_succeeds_and_the_last_one_stays(
    engine: Engine,
) -> None:
    given = [configuration(f"c{n}") for n in range(10)]
    await asyncio.gather(*(set_configuration(engine, TOOL, each) for each in given))
    assert (await get_configuration(engine, TOOL)).value in given


@pytest.mark.parametrize("met_at", ["create", "replace"])
async def test_a_write_that_meets_another_is_tried_again(
    engine: Engine, store: CountingStore, met_at: str
) -> None:
    if met_at == "replace":
        await set_configuration(engine, TOOL, configuration("first"))
    store.before[met_at] = lambda: set_configuration(engine, TOOL, configuration("other"))
    await set_configuration(engine, TOOL, configuration("mine"))
    assert (await get_configuration(engine, TOOL)).value == configuration("mine")


async def test_deleting_while_another_writes_deletes_what_that_one_wrote(
    engine: Engine, store: CountingStore
) -> None:
    await set_configuration(engine, TOOL, configuration("first"))
    store.before["delete"] = lambda: set_configuration(engine, TOOL, configuration("second"))
    assert (await delete_configuration(engine, TOOL)).value.value == configuration("second")


async def test_giving_up_on_a_document_that_others_keep_changing_is_told(
    engine: Engine, store: CountingStore
) -> None:
    await set_configuration(engine, TOOL, configuration())

    async def change() -> None:
        read = await store.get(TOOL, CONFIGURATION, CONFIGURATION)
        await super(CountingStore, store).replace(read, read.data, DocumentState.PLAIN)
        store.before["replace"] = change
        store.before["delete"] = change

    store.before["replace"] = change
    with pytest.raises(Contended, match="configuration of tool 'mytool'"):
        await set_configuration(engine, TOOL, configuration("other"))
    with pytest.raises(Contended):
        await delete_configuration(engine, TOOL)


async def test_a_document_of_something_else_is_corrupt(
    engine: Engine, store: CountingStore
) -> None:
    await store.create(TOOL, CONFIGURATION, CONFIGURATION, {"other": 1})
    with pytest.raises(Corrupt, match="config 'config' of tool 'mytool' is not a configuration"):
        await get_configuration(engine, TOOL)
