"""A tool has one configuration, stored exactly as the client sent it."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from backends.stores.base import Corrupt, DocumentState
from components.configuration.problems import InvalidConfiguration
from components.engine.configurations.documents import CONFIGURATION, HISTORY
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


async def test_a_configuration_is_returned_with_its_order_and_unknown_fields(
    engine: Engine,
) -> None:
    given = {"x-later": [1, {"b": 1, "a": 2}], "components": {"z": component(), "a": component()}}
    await set_configuration(engine, TOOL, given)
    assert json.dumps((await get_configuration(engine, TOOL)).value) == json.dumps(given)


async def test_a_tool_without_a_configuration_is_an_error(engine: Engine) -> None:
    with pytest.raises(NoConfiguration, match="'mytool' has no configuration"):
        await get_configuration(engine, TOOL)


async def test_a_later_configuration_replaces_the_earlier_one(engine: Engine) -> None:
    await set_configuration(engine, TOOL, configuration("first"))
    await set_configuration(engine, TOOL, configuration("second"))
    assert (await get_configuration(engine, TOOL)).value == configuration("second")


async def test_an_invalid_configuration_is_not_stored(engine: Engine, store: CountingStore) -> None:
    with pytest.raises(InvalidConfiguration):
        await set_configuration(engine, TOOL, {})
    assert not store.calls


async def test_fields_without_effect_are_warnings(engine: Engine) -> None:
    answer = await set_configuration(engine, TOOL, {**configuration(), "xyz": 1})
    assert answer.warnings == ("xyz: has no effect: unknown field",)


async def test_deleting_returns_the_deleted_configuration(engine: Engine) -> None:
    await set_configuration(engine, TOOL, configuration())
    assert (await delete_configuration(engine, TOOL)).value.value == configuration()
    with pytest.raises(NoConfiguration):
        await delete_configuration(engine, TOOL)


async def test_setting_and_getting_make_the_minimum_of_calls_to_the_store(
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


async def test_concurrent_writers_all_succeed_and_the_last_one_wins(
    engine: Engine,
) -> None:
    given = [configuration(f"c{n}") for n in range(10)]
    await asyncio.gather(*(set_configuration(engine, TOOL, each) for each in given))
    assert (await get_configuration(engine, TOOL)).value in given


@pytest.mark.parametrize("met_at", ["create", "replace"])
async def test_a_conflicting_write_is_tried_again(
    engine: Engine, store: CountingStore, met_at: str
) -> None:
    if met_at == "replace":
        await set_configuration(engine, TOOL, configuration("first"))
    store.before[met_at] = lambda: set_configuration(engine, TOOL, configuration("other"))
    await set_configuration(engine, TOOL, configuration("mine"))
    assert (await get_configuration(engine, TOOL)).value == configuration("mine")


async def test_deleting_during_a_write_deletes_the_new_configuration(
    engine: Engine, store: CountingStore
) -> None:
    await set_configuration(engine, TOOL, configuration("first"))
    store.before["delete"] = lambda: set_configuration(engine, TOOL, configuration("second"))
    assert (await delete_configuration(engine, TOOL)).value.value == configuration("second")


async def test_too_many_conflicts_are_an_error(engine: Engine, store: CountingStore) -> None:
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


async def test_a_document_with_other_content_is_corrupt(
    engine: Engine, store: CountingStore
) -> None:
    await store.create(TOOL, CONFIGURATION, CONFIGURATION, {"other": 1})
    with pytest.raises(Corrupt, match="config 'config' of tool 'mytool' is not a configuration"):
        await get_configuration(engine, TOOL)


async def history(engine: Engine) -> list[tuple[Any, bool]]:
    """The retained configurations, and whether each is the current one."""
    return [(each.value, each.current) for each in (await list_configurations(engine, TOOL)).value]


async def test_earlier_configurations_are_retained_newest_first(
    engine: Engine, clock: HandClock
) -> None:
    assert await history(engine) == []
    for name in ("first", "second", "first"):
        clock.turn(1)
        await set_configuration(engine, TOOL, configuration(name))
    assert await history(engine) == [
        (configuration("first"), True),
        (configuration("second"), False),
        (configuration("first"), False),
    ]


async def test_no_more_configurations_are_retained_than_configured(engine: Engine) -> None:
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
async def test_a_low_limit_of_retained_configurations_is_respected(
    engine: Engine, kept: int
) -> None:
    few = replace(engine, configs_kept=kept)
    for n in range(4):
        await set_configuration(few, TOOL, configuration(f"c{n}"))
    assert len(await history(few)) == kept


async def test_setting_the_stored_configuration_writes_nothing(
    engine: Engine, store: CountingStore, clock: HandClock
) -> None:
    await set_configuration(engine, TOOL, configuration())
    before = await get_configuration(engine, TOOL)
    clock.turn(1)
    store.calls.clear()
    await set_configuration(engine, TOOL, configuration())
    assert store.calls == {"list": 1}
    assert await get_configuration(engine, TOOL) == before


async def test_a_different_order_is_a_different_configuration(engine: Engine) -> None:
    await set_configuration(engine, TOOL, configuration("a", "b"))
    await set_configuration(engine, TOOL, configuration("b", "a"))
    assert list((await get_configuration(engine, TOOL)).value["components"]) == ["b", "a"]
    assert len(await history(engine)) == 2


async def test_an_archived_configuration_that_was_not_replaced_is_listed_once(
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


async def test_a_corrupt_earlier_configuration_is_a_warning_and_hides_no_other(
    engine: Engine, store: CountingStore
) -> None:
    await set_configuration(engine, TOOL, configuration())
    await store.create(TOOL, HISTORY, "broken", {"other": 1})
    answer = await list_configurations(engine, TOOL)
    assert len(answer.value) == 1
    assert "'broken'" in answer.warnings[0]


async def test_a_write_with_another_etag_is_refused(engine: Engine) -> None:
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


async def test_a_write_that_requires_none_is_refused_if_there_is_one(engine: Engine) -> None:
    await set_configuration(engine, TOOL, configuration(), Condition(absent=True))
    with pytest.raises(ConfigurationChanged):
        await set_configuration(engine, TOOL, configuration("other"), Condition(absent=True))


async def test_of_two_concurrent_edits_the_second_is_refused(
    engine: Engine, store: CountingStore
) -> None:
    read = (await set_configuration(engine, TOOL, configuration())).value
    condition = Condition(frozenset({read.etag}))
    store.before["replace"] = lambda: set_configuration(engine, TOOL, configuration("mine"))
    with pytest.raises(ConfigurationChanged):
        await set_configuration(engine, TOOL, configuration("yours"), condition)
    assert (await get_configuration(engine, TOOL)).value == configuration("mine")


async def test_a_write_repeated_after_a_lost_response_succeeds(
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
