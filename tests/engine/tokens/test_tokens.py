"""A tool's tokens: made once, checked against a hash, and revoked at once."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest

from backends.stores.base import Conflict, DocumentState, NotFound, OverQuota, Sealed, Unavailable
from components.engine.context import Engine
from components.engine.errors import MadeByNewer, NoSuchTool
from components.engine.tokens.checking import check_token
from components.engine.tokens.documents import LAST_USE, TOKEN, Scope
from components.engine.tokens.errors import BadToken, NoToken, TokenExists, TooManyTokens
from components.engine.tokens.operations import (
    MAX_TOKENS,
    NewToken,
    create_token,
    list_tokens,
    revoke_token,
)
from components.engine.tokens.text import new_text
from tests.conftest import NOON, HandClock
from tests.factories import TOOL
from tests.stores.counting import CountingStore

DAY = 86400


async def made(engine: Engine, name: str = "ci", days: int = 90) -> NewToken:
    return await create_token(engine, TOOL, name, [Scope.DEPLOY, Scope.READ], days=days)


async def used(engine: Engine) -> str | None:
    """Return the day on which the only token was last used."""
    (listed,) = (await list_tokens(engine, TOOL)).value
    return None if listed.used is None else f"{listed.used:%m-%d}"


async def test_a_token_is_known_by_its_text(engine: Engine) -> None:
    new = await made(engine)
    await made(engine, "other")
    assert await check_token(engine, TOOL, new.text) == new.token
    assert new.token.scopes == (Scope.DEPLOY, Scope.READ)


async def test_only_a_hash_of_a_token_is_stored(engine: Engine, store: CountingStore) -> None:
    new = await made(engine)
    await check_token(engine, TOOL, new.text)
    found = await store.list(TOOL, TOKEN, LAST_USE)
    assert len(found.documents) == 2
    stored = json.dumps([each.data for each in found.documents])
    assert new.text[4:20] not in stored
    assert new.text not in repr(new)


async def test_a_stored_token_cannot_change(engine: Engine, store: CountingStore) -> None:
    await made(engine)
    document = await store.get(TOOL, TOKEN, "ci")
    assert document.state is DocumentState.SEALED
    with pytest.raises(Sealed):
        await store.replace(document, document.data, DocumentState.PLAIN)


async def test_names_are_unique(engine: Engine) -> None:
    new = await made(engine)
    with pytest.raises(TokenExists, match="'ci' already"):
        await made(engine)
    assert await check_token(engine, TOOL, new.text) == new.token


async def test_a_token_of_another_tool_is_not_known(engine: Engine) -> None:
    new = await made(engine)
    with pytest.raises(BadToken, match="no such token"):
        await check_token(engine, "other", new.text)


async def test_a_token_that_was_never_made_is_not_known(engine: Engine) -> None:
    await made(engine)
    with pytest.raises(BadToken, match="no such token: it was revoked, or never made"):
        await check_token(engine, TOOL, new_text())


async def test_a_revoked_token_is_refused_at_once_on_all_instances(engine: Engine) -> None:
    new, other_instance = await made(engine), replace(engine, instance="other")
    assert await check_token(other_instance, TOOL, new.text) == new.token
    await revoke_token(engine, TOOL, "ci")
    for each in (engine, other_instance):
        with pytest.raises(BadToken, match="it was revoked"):
            await check_token(each, TOOL, new.text)
    with pytest.raises(NoToken):
        await revoke_token(engine, TOOL, "ci")


async def test_nothing_of_a_revoked_token_is_left(engine: Engine, store: CountingStore) -> None:
    await check_token(engine, TOOL, (await made(engine)).text)
    await revoke_token(engine, TOOL, "ci")
    assert (await store.list(TOOL, TOKEN, LAST_USE)).documents == ()


async def test_a_token_expires(engine: Engine, clock: HandClock) -> None:
    new = await made(engine, days=1)
    clock.turn(DAY - 1)
    assert await check_token(engine, TOOL, new.text) == new.token
    clock.turn(1)
    with pytest.raises(BadToken, match="'ci' has expired, on 2024-04-05"):
        await check_token(engine, TOOL, new.text)


async def test_a_check_is_one_call_and_a_second_one_on_the_first_use_of_a_day(
    engine: Engine, store: CountingStore, clock: HandClock
) -> None:
    new = await made(engine)
    store.calls.clear()
    for _ in range(3):
        await check_token(engine, TOOL, new.text)
    assert store.calls == {"list": 3, "create": 1}
    clock.turn(DAY)
    await check_token(engine, TOOL, new.text)
    assert store.calls == {"list": 4, "create": 1, "replace": 1}


async def test_the_last_use_is_stored_once_a_day(engine: Engine, clock: HandClock) -> None:
    new = await made(engine)
    assert await used(engine) is None
    await check_token(engine, TOOL, new.text)
    assert await used(engine) == "04-04"
    clock.turn(DAY - 1)
    await check_token(engine, TOOL, new.text)
    assert await used(engine) == "04-04"
    clock.turn(1)
    await check_token(engine, TOOL, new.text)
    assert await used(engine) == "04-05"


async def test_the_last_use_of_an_earlier_token_of_the_same_name_is_not_shown(
    engine: Engine, store: CountingStore
) -> None:
    await check_token(engine, TOOL, (await made(engine)).text)
    left = (await store.get(TOOL, LAST_USE, "ci")).data
    await revoke_token(engine, TOOL, "ci")
    await store.create(TOOL, LAST_USE, "ci", left)  # by an instance that was slow
    new = await made(engine)
    assert await used(engine) is None
    await check_token(engine, TOOL, new.text)
    assert await used(engine) == "04-04"


@pytest.mark.parametrize("error", [OverQuota("no room"), Unavailable("down")])
async def test_a_use_that_cannot_be_stored_does_no_harm_and_is_tried_again_later(
    engine: Engine,
    store: CountingStore,
    clock: HandClock,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    async def fail() -> None:
        raise error

    new = await made(engine)
    store.before["create"] = fail
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            assert await check_token(engine, TOOL, new.text) == new.token
    assert [each.message for each in caplog.records] == [
        f"the last use of token 'ci' of 'mytool' was not stored: {error}"
    ]
    assert await used(engine) is None
    clock.turn(600)
    await check_token(engine, TOOL, new.text)
    assert await used(engine) == "04-04"


async def test_a_use_that_another_instance_stores_first_is_not_an_error(
    engine: Engine, store: CountingStore, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def conflict() -> None:
        raise Conflict(TOOL, LAST_USE, "ci")

    new = await made(engine)
    await check_token(engine, TOOL, new.text)
    clock.turn(DAY)
    store.before["replace"] = conflict
    await check_token(engine, TOOL, new.text)
    assert caplog.records == []


async def test_a_request_does_not_wait_until_its_use_is_stored(
    engine: Engine, store: CountingStore
) -> None:
    never = asyncio.Event()
    new = await made(engine)
    store.before["create"] = never.wait
    async with asyncio.timeout(5):
        assert await check_token(engine, TOOL, new.text) == new.token
    await engine.tasks.close()


async def test_a_tool_has_a_limited_number_of_tokens(engine: Engine) -> None:
    for number in range(MAX_TOKENS):
        await made(engine, f"ci-{number}")
    with pytest.raises(TooManyTokens, match=f"has {MAX_TOKENS} tokens"):
        await made(engine, "one-more")
    await revoke_token(engine, TOOL, "ci-0")
    await made(engine, "one-more")


async def test_simultaneous_requests_do_not_exceed_the_limit(engine: Engine) -> None:
    for number in range(MAX_TOKENS - 1):
        await made(engine, f"ci-{number}")
    await asyncio.gather(
        *(made(engine, f"more-{number}") for number in range(10)), return_exceptions=True
    )
    assert len((await list_tokens(engine, TOOL)).value) <= MAX_TOKENS


async def test_a_token_for_an_unknown_tool_is_an_error(
    engine: Engine, store: CountingStore
) -> None:
    async def missing() -> None:
        raise NotFound(TOOL, TOKEN, "ci")

    store.before["create"] = missing
    with pytest.raises(NoSuchTool):
        await made(engine)


async def test_a_document_that_is_not_a_token_is_reported_and_can_be_revoked(
    engine: Engine, store: CountingStore
) -> None:
    await store.create(TOOL, TOKEN, "odd", {"form": 1})
    await store.create(TOOL, TOKEN, "newer", {"form": 2, "digest": "?"})
    new = await made(engine)
    answer = await list_tokens(engine, TOOL)
    assert [each.token.name for each in answer.value] == ["ci"]
    assert len(answer.warnings) == 2
    assert await check_token(engine, TOOL, new.text) == new.token
    await revoke_token(engine, TOOL, "odd")


async def test_a_token_in_a_newer_form_is_not_interpreted(
    engine: Engine, store: CountingStore
) -> None:
    new = await made(engine)
    data = (await store.get(TOOL, TOKEN, "ci")).data
    await store.delete(TOOL, TOKEN, "ci")
    await store.create(TOOL, TOKEN, "ci", data | {"form": 2})
    with pytest.raises(MadeByNewer):
        await check_token(engine, TOOL, new.text)


async def test_tokens_are_listed_by_name(engine: Engine) -> None:
    for name in ("b", "a", "c"):
        await made(engine, name)
    tokens = [each.token for each in (await list_tokens(engine, TOOL)).value]
    assert [each.name for each in tokens] == ["a", "b", "c"]
    assert {each.created for each in tokens} == {NOON}
