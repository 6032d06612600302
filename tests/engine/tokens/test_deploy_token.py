"""The deploy token of a tool: one, which can be shown again."""

import asyncio
from uuid import UUID

import pytest

from backends.stores.base import Conflict, Corrupt, NotFound
from components.engine.context import Engine
from components.engine.errors import MadeByNewer, NoSuchTool, TooManyConflicts
from components.engine.tokens.deploy_token import (
    DEPLOY_TOKEN,
    check_deploy_token,
    create_deploy_token,
    delete_deploy_token,
    replace_deploy_token,
    show_deploy_token,
)
from components.engine.tokens.errors import BadToken, DeployTokenExists, NoDeployToken
from tests.conftest import NOON, HandClock
from tests.factories import TOOL
from tests.stores.counting import CountingStore

YEAR = 365 * 86400


async def test_a_deploy_token_is_a_uuid_that_can_be_shown_again(engine: Engine) -> None:
    token = await create_deploy_token(engine, TOOL)
    assert str(UUID(token.text)) == token.text
    assert token.created == NOON
    assert await show_deploy_token(engine, TOOL) == token
    assert token.text not in repr(token)


async def test_there_is_at_most_one(engine: Engine) -> None:
    made = await asyncio.gather(
        *(create_deploy_token(engine, TOOL) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(each, DeployTokenExists) for each in made) == 4
    assert await show_deploy_token(engine, TOOL) in made


async def test_without_one_every_operation_says_so(engine: Engine) -> None:
    for operation in (show_deploy_token, replace_deploy_token, delete_deploy_token):
        with pytest.raises(NoDeployToken, match="Unable to find a deploy token of"):
            await operation(engine, TOOL)


async def test_a_replaced_token_is_not_accepted_any_more(engine: Engine) -> None:
    old = await create_deploy_token(engine, TOOL)
    new = await replace_deploy_token(engine, TOOL)
    assert await show_deploy_token(engine, TOOL) == new
    await check_deploy_token(engine, TOOL, new.text)
    with pytest.raises(BadToken, match="does not match the tool's token"):
        await check_deploy_token(engine, TOOL, old.text)


async def test_a_deleted_token_is_returned_and_not_accepted_any_more(engine: Engine) -> None:
    token = await create_deploy_token(engine, TOOL)
    assert await delete_deploy_token(engine, TOOL) == token
    with pytest.raises(BadToken, match="tool 'mytool' has no deploy token"):
        await check_deploy_token(engine, TOOL, token.text)


@pytest.mark.parametrize("text", ["", "x", "é", "\udcff", "0" * 8000])
async def test_another_text_does_not_match(engine: Engine, text: str) -> None:
    await create_deploy_token(engine, TOOL)
    with pytest.raises(BadToken) as caught:
        await check_deploy_token(engine, TOOL, text)
    assert str(caught.value) == "the token in the query does not match the tool's token"


async def test_a_token_expires_after_a_year(engine: Engine, clock: HandClock) -> None:
    token = await create_deploy_token(engine, TOOL)
    clock.turn(YEAR - 1)
    await check_deploy_token(engine, TOOL, token.text)
    clock.turn(1)
    with pytest.raises(BadToken, match="has expired, on 2025-04-04"):
        await check_deploy_token(engine, TOOL, token.text)
    # Who does not have it learns nothing about it.
    with pytest.raises(BadToken, match="does not match"):
        await check_deploy_token(engine, TOOL, "x")
    fresh = await replace_deploy_token(engine, TOOL)
    await check_deploy_token(engine, TOOL, fresh.text)


async def test_simultaneous_replacements_leave_one_of_their_tokens(engine: Engine) -> None:
    await create_deploy_token(engine, TOOL)
    made = await asyncio.gather(*(replace_deploy_token(engine, TOOL) for _ in range(3)))
    assert await show_deploy_token(engine, TOOL) in made


async def test_a_token_that_always_changes_is_given_up(
    engine: Engine, store: CountingStore
) -> None:
    await create_deploy_token(engine, TOOL)

    async def conflict() -> None:
        store.before["replace"] = conflict
        raise Conflict(TOOL, DEPLOY_TOKEN, DEPLOY_TOKEN)

    store.before["replace"] = conflict
    with pytest.raises(TooManyConflicts):
        await replace_deploy_token(engine, TOOL)


async def test_a_token_for_an_unknown_tool_is_an_error(
    engine: Engine, store: CountingStore
) -> None:
    async def missing() -> None:
        raise NotFound(TOOL, DEPLOY_TOKEN, DEPLOY_TOKEN)

    store.before["create"] = missing
    with pytest.raises(NoSuchTool):
        await create_deploy_token(engine, TOOL)


@pytest.mark.parametrize(
    ("data", "error"), [({"form": 1}, Corrupt), ({"form": 2, "token": "x"}, MadeByNewer)]
)
async def test_a_document_that_is_not_a_token_is_neither_accepted_nor_changed(
    engine: Engine, store: CountingStore, data: dict[str, object], error: type[Exception]
) -> None:
    await store.create(TOOL, DEPLOY_TOKEN, DEPLOY_TOKEN, data)
    for operation in (show_deploy_token, replace_deploy_token, delete_deploy_token):
        with pytest.raises(error):
            await operation(engine, TOOL)
    with pytest.raises(error):
        await check_deploy_token(engine, TOOL, "x")
