"""The routes of tokens."""

import json
import re
from typing import Any

import pytest

from tests.factories import TOOL
from tests.http.conftest import Client, data_of, errors_of

TOKENS = f"/api/v1/tool/{TOOL}/tokens"
CI = {"name": "ci", "scopes": ["read", "deploy"]}


async def test_a_token_is_shown_once(client: Client) -> None:
    response = await client.post(TOKENS, json=CI)
    data = await data_of(response, 201)
    assert re.fullmatch("ctk_[0-9A-Za-z]{49}", data["token"])
    assert response.headers["Cache-Control"] == "no-store"
    assert data == {
        "name": "ci",
        "scopes": ["deploy", "read"],
        "components": None,
        "creation-time": "2024-04-04T12:00:00.000000Z",
        "end-time": "2024-07-03T12:00:00.000000Z",
        "token": data["token"],
    }
    listed = await client.get(TOKENS)
    (entry,) = (await data_of(listed))["tokens"]
    assert entry == {key: value for key, value in data.items() if key != "token"} | {
        "last-use-time": None
    }
    assert data["token"][4:] not in await listed.text()


async def test_a_token_can_have_components_and_an_end(client: Client) -> None:
    body = {"name": "a-1", "scopes": ["deploy"], "components": ["web", "api", "web"], "days": 365}
    data = await data_of(await client.post(TOKENS, json=body), 201)
    assert data["components"] == ["api", "web"]
    assert data["end-time"] == "2025-04-04T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Bad Name"}, "name: must be at most 50 lower-case letters"),
        ({"name": "a" * 51}, "name: must have at most 50 characters"),
        ({"name": "ci\n"}, "name: must be at most 50 lower-case letters"),
        ({"name": 7}, "name: must be a string"),
        ({"scopes": []}, "scopes: must be a list of deploy and read"),
        ({"scopes": "read"}, "scopes: must be a list of deploy and read"),
        ({"scopes": ["write"]}, "scopes[0]: "),
        ({"scopes": ["read"] * 3}, "scopes: must be a list of deploy and read"),
        ({"scopes": None}, "scopes: "),
        ({"components": []}, "components: must be a list of 1 to 200 component names"),
        ({"days": 0}, "days: must be a whole number, 1 to 365"),
        ({"days": 366}, "days: must be a whole number, 1 to 365"),
        ({"days": "90"}, "days: must be a whole number, 1 to 365"),
        ({"day": 1}, "day: is not known: did you mean 'days'?"),
    ],
)
async def test_an_invalid_field_is_named(
    client: Client, change: dict[str, Any], message: str
) -> None:
    errors = await errors_of(await client.post(TOKENS, json=CI | change), 400)
    assert any(each.startswith(message) for each in errors), errors


@pytest.mark.parametrize("missing", ["name", "scopes"])
async def test_name_and_scopes_are_required(client: Client, missing: str) -> None:
    body = {key: value for key, value in CI.items() if key != missing}
    (error,) = await errors_of(await client.post(TOKENS, json=body), 400)
    assert error.startswith(f"{missing}: ")


async def test_a_body_is_required(client: Client) -> None:
    headers = {"Content-Type": "application/json"}
    await errors_of(await client.post(TOKENS, headers=headers), 400)
    await errors_of(await client.post(TOKENS, data=json.dumps(CI)), 415)


async def test_names_are_unique(client: Client) -> None:
    await data_of(await client.post(TOKENS, json=CI), 201)
    (error,) = await errors_of(await client.post(TOKENS, json=CI), 409)
    assert (
        error == "tool 'mytool' has a token 'ci' already: choose another name, or revoke it first"
    )


async def test_a_token_is_revoked_by_name(client: Client) -> None:
    await data_of(await client.post(TOKENS, json=CI), 201)
    assert await data_of(await client.delete(f"{TOKENS}/ci")) == {"name": "ci"}
    assert await data_of(await client.get(TOKENS)) == {"tokens": []}


@pytest.mark.parametrize("name", ["ci", "CI", "-", "..%2Fconfig", "a" * 100, "%00"])
async def test_a_token_that_does_not_exist_is_not_found(client: Client, name: str) -> None:
    (error,) = await errors_of(await client.delete(f"{TOKENS}/{name}"), 404)
    assert "has no token" in error


async def test_a_tool_has_a_limited_number_of_tokens(client: Client) -> None:
    for number in range(20):
        await data_of(await client.post(TOKENS, json=CI | {"name": f"ci-{number}"}), 201)
    (error,) = await errors_of(await client.post(TOKENS, json=CI), 409)
    assert error == "tool 'mytool' has 20 tokens, and may not have more: revoke one"
