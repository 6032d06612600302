"""Tokens on a real API server: Secrets of the tool, the same for all instances."""

import base64

import pytest
from kubernetes_asyncio import client

from components.engine.context import Engine
from components.engine.errors import NoSuchTool
from components.engine.tokens.checking import check_token
from components.engine.tokens.deploy_token import (
    check_deploy_token,
    create_deploy_token,
    delete_deploy_token,
    replace_deploy_token,
)
from components.engine.tokens.documents import Scope
from components.engine.tokens.errors import BadToken, DeployTokenExists, TokenExists
from components.engine.tokens.operations import create_token, list_tokens, revoke_token
from tests.builders.scripted import ScriptedBuilder
from tests.cluster.conftest import PREFIX, OpenStore


@pytest.fixture
async def engines(open_store: OpenStore) -> tuple[Engine, Engine]:
    """Two instances, each with its own connection."""
    one, two = await open_store(), await open_store()
    return Engine(one, ScriptedBuilder()), Engine(two, ScriptedBuilder())


async def test_a_token_is_known_to_all_instances_until_it_is_revoked_by_any(
    engines: tuple[Engine, Engine], tools: tuple[str, str], admin: client.ApiClient
) -> None:
    (one, two), tool = engines, tools[0]
    made = await create_token(one, tool, "use-ci", [Scope.READ])
    with pytest.raises(TokenExists):
        await create_token(two, tool, "use-ci", [Scope.READ])
    other = await create_token(two, tool, "ci", [Scope.READ])
    for engine in (one, two):
        assert await check_token(engine, tool, made.text) == made.token
        await engine.tasks.close(10)
    assert await check_token(one, tool, other.text) == other.token
    await one.tasks.close(10)
    names = {"components-token-use-ci", "components-last-use-use-ci"}
    names |= {"components-token-ci", "components-last-use-ci"}
    secrets = (await client.CoreV1Api(admin).list_namespaced_secret(PREFIX + tool)).items
    assert {each.metadata.name for each in secrets} == names
    for secret in secrets:
        (text,) = map(base64.b64decode, secret.data.values())
        assert made.text[4:20].encode() not in text
        assert bool(secret.immutable) is secret.metadata.name.startswith("components-token")
    listed = (await list_tokens(two, tool)).value
    assert [each.token.name for each in listed] == ["ci", "use-ci"]
    assert all(each.used is not None for each in listed)
    await revoke_token(two, tool, "use-ci")
    for engine in (one, two):
        with pytest.raises(BadToken):
            await check_token(engine, tool, made.text)
        assert await check_token(engine, tool, other.text) == other.token
    await revoke_token(one, tool, "ci")
    assert not (await client.CoreV1Api(admin).list_namespaced_secret(PREFIX + tool)).items


async def test_a_deploy_token_is_a_secret_of_its_tool(
    engines: tuple[Engine, Engine], tools: tuple[str, str], admin: client.ApiClient
) -> None:
    (one, two), tool = engines, tools[0]
    first = await create_deploy_token(one, tool)
    with pytest.raises(DeployTokenExists):
        await create_deploy_token(two, tool)
    second = await replace_deploy_token(two, tool)
    await check_deploy_token(one, tool, second.text)
    with pytest.raises(BadToken, match="does not match"):
        await check_deploy_token(one, tool, first.text)
    (secret,) = (await client.CoreV1Api(admin).list_namespaced_secret(PREFIX + tool)).items
    assert secret.metadata.name == "components-deploy-token"
    await delete_deploy_token(one, tool)
    with pytest.raises(BadToken, match="has no deploy token"):
        await check_deploy_token(two, tool, second.text)


async def test_a_tool_without_a_namespace_has_no_tokens(engines: tuple[Engine, Engine]) -> None:
    engine = engines[0]
    with pytest.raises(NoSuchTool):
        await create_token(engine, "nowhere", "ci", [Scope.READ])
    with pytest.raises(NoSuchTool):
        await create_deploy_token(engine, "nowhere")
    with pytest.raises(BadToken):
        await check_token(engine, "nowhere", "ctk_")
    with pytest.raises(BadToken):
        await check_deploy_token(engine, "nowhere", "x")
