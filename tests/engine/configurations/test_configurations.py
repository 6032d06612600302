"""A tool has one configuration, kept exactly as it was given."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from backends.stores.base import Corrupt, DocumentState
from components.configuration.problems import InvalidConfiguration
from components.engine.configurations.documents import CONFIGURATION, EARLIER
from components.engine.configurations.operations import (
    ANY,
    Condition,
    delete_configuration,
    get_configuration,
    list_configurations,
    set_configuration,
)
from components.engine.context import Engine
from components.engine.errors import ConfigurationChanged, NoConfiguration, TooManyConflicts
from tests.conftest import HandClock
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
    assert answer.warnings == ("xyz: has no effect: unknown field",)


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
    with pytest.raises(TooManyConflicts, match="configuration of tool 'mytool'"):
        await set_configuration(engine, TOOL, configuration("other"))
    with pytest.raises(TooManyConflicts):
        await delete_configuration(engine, TOOL)


async def test_a_document_of_something_else_is_corrupt(
    engine: Engine, store: CountingStore
) -> None:
    await store.create(TOOL, CONFIGURATION, CONFIGURATION, {"other": 1})
    with pytest.raises(Corrupt, match="config 'config' of tool 'mytool' is not a configuration"):
        await get_configuration(engine, TOOL)


async def history(engine: Engine) -> list[tuple[Any, bool]]:
    """The configurations that are kept, and whether each is the stored one."""
    return [(each.value, each.current) for each in (await list_configurations(engine, TOOL)).value]


async def test_the_ones_before_are_kept_newest_first(engine: Engine, clock: HandClock) -> None:
    assert await history(engine) == []
    for name in ("first", "second", "first"):
        clock.turn(1)
        await set_configuration(engine, TOOL, configuration(name))
    assert await history(engine) == [
        (configuration("first"), True),
        (configuration("second"), False),
        (configuration("first"), False),
    ]


async def test_no_more_are_kept_than_may_be(engine: Engine) -> None:
    few = replace(engine, configs_kept=3)
    given = [configuration(f"c{n}") for n in range(6)]
    for each in given:
        await set_configuration(few, TOOL, each)
    assert [value for value, _ in await history(few)] == given[:2:-1]
    await delete_configuration(few, TOOL)
    assert await history(few) == [(each, False) for each in given[:2:-1]]
    await set_configuration(few, TOOL, given[0])
    assert [value for value, _ in await history(few)] == [given[0], given[5], given[4]]


@pytest.mark.parametrize("kept", [1, 2])
async def test_where_few_are_kept_that_is_how_many_there_are(engine: Engine, kept: int) -> None:
    few = replace(engine, configs_kept=kept)
    for n in range(4):
        await set_configuration(few, TOOL, configuration(f"c{n}"))
    assert len(await history(few)) == kept


async def test_to_set_what_is_stored_writes_nothing(
    engine: Engine, store: CountingStore, clock: HandClock
) -> None:
    await set_configuration(engine, TOOL, configuration())
    before = await get_configuration(engine, TOOL)
    clock.turn(1)
    store.calls.clear()
    await set_configuration(engine, TOOL, configuration())
    assert store.calls == {"list": 1}
    assert await get_configuration(engine, TOOL) == before


async def test_another_order_is_another_configuration(engine: Engine) -> None:
    await set_configuration(engine, TOOL, configuration("a", "b"))
    await set_configuration(engine, TOOL, configuration("b", "a"))
    assert list((await get_configuration(engine, TOOL)).value["components"]) == ["b", "a"]
    assert len(await history(engine)) == 2


async def test_one_that_was_broken_off_before_it_replaced_is_there_once(
    engine: Engine, store: CountingStore
) -> None:
    await set_configuration(engine, TOOL, configuration("first"))

    async def die() -> None:
        raise asyncio.CancelledError

    store.before["replace"] = die
    with pytest.raises(asyncio.CancelledError):
        await set_configuration(engine, TOOL, configuration("second"))
    assert await history(engine) == [(configuration("first"), True)]
    await set_configuration(engine, TOOL, configuration("third"))
    assert [value for value, _ in await history(engine)] == [
        configuration("third"),
        configuration("first"),
    ]


async def test_an_earlier_one_that_somebody_has_broken_is_told_and_hides_no_other(
    engine: Engine, store: CountingStore
) -> None:
    await set_configuration(engine, TOOL, configuration())
    await store.create(TOOL, EARLIER, "broken", {"other": 1})
    answer = await list_configurations(engine, TOOL)
    assert len(answer.value) == 1
    assert "'broken'" in answer.warnings[0]


async def test_a_write_that_is_meant_for_another_one_is_refused(engine: Engine) -> None:
    first = (await set_configuration(engine, TOOL, configuration("first"))).value
    second = (await set_configuration(engine, TOOL, configuration("second"))).value
    for_first, for_second = (Condition(frozenset({each.etag})) for each in (first, second))
    with pytest.raises(ConfigurationChanged, match=second.etag):
        await set_configuration(engine, TOOL, configuration("third"), for_first)
    with pytest.raises(ConfigurationChanged):
        await delete_configuration(engine, TOOL, for_first)
    await set_configuration(engine, TOOL, configuration("third"), for_second)
    await delete_configuration(engine, TOOL, Condition(frozenset({ANY})))
    with pytest.raises(ConfigurationChanged, match="there is none now"):
        await set_configuration(engine, TOOL, configuration(), Condition(frozenset({ANY})))


async def test_a_write_that_is_meant_for_none_is_refused_where_there_is_one(engine: Engine) -> None:
    await set_configuration(engine, TOOL, configuration(), Condition(absent=True))
    with pytest.raises(ConfigurationChanged):
        await set_configuration(engine, TOOL, configuration("other"), Condition(absent=True))


async def test_of_two_who_edit_the_same_one_the_second_is_told(
    engine: Engine, store: CountingStore
) -> None:
    read = (await set_configuration(engine, TOOL, configuration())).value
    condition = Condition(frozenset({read.etag}))
    store.before["replace"] = lambda: set_configuration(engine, TOOL, configuration("mine"))
    with pytest.raises(ConfigurationChanged):
        await set_configuration(engine, TOOL, configuration("yours"), condition)
    assert (await get_configuration(engine, TOOL)).value == configuration("mine")


async def test_a_write_that_is_repeated_since_its_answer_was_lost_is_a_success(
    engine: Engine,
) -> None:
    read = (await set_configuration(engine, TOOL, configuration("one"))).value.etag
    edited = configuration("two")
    once = await set_configuration(engine, TOOL, edited, Condition(frozenset({read})))
    again = await set_configuration(engine, TOOL, edited, Condition(frozenset({read})))
    assert again.value == once.value
    assert (
        await set_configuration(engine, TOOL, edited, Condition(absent=True))
    ).value == once.value
