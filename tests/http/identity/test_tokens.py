"""Tokens as credentials: what they may do, and how they are refused."""

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from backends.builders.base import BuildStatus
from backends.stores.base import Unavailable
from backends.stores.memory import MemoryStore
from components.engine.tokens.text import new_text
from components.http.app import create_app
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.factories import configuration, reusing
from tests.http.conftest import (
    CONFIG,
    DEPLOY,
    HEADER,
    SUBJECT,
    Client,
    Listen,
    Serve,
    data_of,
    errors_of,
)
from tests.http.identity.test_caller_secret import BuildsHere
from tests.http.server.test_tls import GATEWAY
from tests.http.server.tls_files import Files
from tests.stores.counting import CountingStore

TOKENS = "/api/v1/tool/mytool/tokens"


@pytest.fixture
async def anonymous(serve: Serve) -> Client:
    """A client that sends no subject unless a test says so."""
    return await serve(headers={}, max_running=1)


async def make(client: Client, name: str = "ci", **options: Any) -> dict[str, str]:
    """Make a token as the tool; return the header with it."""
    body = {"name": name, "scopes": ["deploy", "read"], **options}
    made = await data_of(await client.post(TOKENS, json=body, headers=SUBJECT), 201)
    return {"Authorization": f"Bearer {made['token']}"}


async def configured(client: Client, *names: str, **components: Any) -> None:
    """Store a configuration as the tool."""
    body = configuration(*names, **components)
    await data_of(await client.post(CONFIG, json=body, headers=SUBJECT))


async def ended(client: Client, builder: ScriptedBuilder, status: BuildStatus) -> None:
    """Let all builds end, and wait until the latest deployment has."""
    builder.becomes(status)
    path = f"{DEPLOY}/latest?wait=10"
    while (await data_of(await client.get(path, headers=SUBJECT)))["status"] == "RUNNING":
        pass


async def test_a_token_deploys_and_reads(anonymous: Client) -> None:
    token = await make(anonymous)
    await configured(anonymous)
    deployment = await data_of(await anonymous.post(DEPLOY, headers=token), 201)
    shown = await anonymous.get(f"{DEPLOY}/{deployment['deploy-id']}", headers=token)
    assert (await data_of(shown))["deploy-id"] == deployment["deploy-id"]
    assert (await data_of(await anonymous.get(CONFIG, headers=token))) == configuration()


async def test_a_scope_permits_only_what_it_names(anonymous: Client) -> None:
    reading = await make(anonymous, "reading", scopes=["read"])
    deploying = await make(anonymous, "deploying", scopes=["deploy"])
    await configured(anonymous)
    (error,) = await errors_of(await anonymous.post(DEPLOY, headers=reading), 403)
    assert error == "a token with the scope read may not create deployments"
    await data_of(await anonymous.post(DEPLOY, headers=deploying), 201)
    (error,) = await errors_of(await anonymous.get(DEPLOY, headers=deploying), 403)
    assert error == "a token with the scope deploy may not look at deployments"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", CONFIG),
        ("DELETE", CONFIG),
        ("DELETE", f"{DEPLOY}/latest"),
        ("DELETE", "/api/v1/tool/mytool/run"),
        ("POST", "/api/v1/tool/mytool/run/web/restart"),
        ("GET", TOKENS),
        ("POST", TOKENS),
        ("DELETE", f"{TOKENS}/ci"),
    ],
)
async def test_a_token_changes_no_configuration_and_no_token(
    anonymous: Client, method: str, path: str
) -> None:
    token = await make(anonymous)
    (error,) = await errors_of(await anonymous.request(method, path, headers=token), 403)
    assert error.startswith("a token with the scope deploy and read may not change anything but")


async def test_a_token_of_another_tool_is_refused(anonymous: Client) -> None:
    token = await make(anonymous)
    response = await anonymous.get("/api/v1/tool/other/config", headers=token)
    (error,) = await errors_of(response, 401)
    assert error == "tool 'other' has no such token: it was revoked, or never made"


async def test_a_revoked_token_is_refused(anonymous: Client) -> None:
    token = await make(anonymous)
    await data_of(await anonymous.get(DEPLOY, headers=token))
    await data_of(await anonymous.delete(f"{TOKENS}/ci", headers=SUBJECT))
    response = await anonymous.get(DEPLOY, headers=token)
    (error,) = await errors_of(response, 401)
    assert error == "tool 'mytool' has no such token: it was revoked, or never made"
    challenge = response.headers["WWW-Authenticate"]
    assert challenge == 'Bearer realm="components-api", error="invalid_token"'


async def test_an_expired_token_is_refused(anonymous: Client, clock: HandClock) -> None:
    token = await make(anonymous, days=2)
    clock.time += timedelta(days=2)
    (error,) = await errors_of(await anonymous.get(DEPLOY, headers=token), 401)
    assert error == "the token 'ci' has expired, on 2024-04-06: make another one"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("Bearer ctk_", "the token is not whole"),
        ("Bearer ctk_" + 49 * "0", "the token is not whole"),
        ("Bearer ctk_" + 8000 * "0", "the token is not whole"),
        ("Bearer something", "the bearer token is not one of this service's"),
        ("Basic Y3RrXw==", "must be given exactly once"),
        ("Bearer", "must be given exactly once"),
        ("", "must be given exactly once"),
    ],
)
async def test_anything_else_is_refused_without_asking_the_store(
    anonymous: Client, store: CountingStore, value: str, message: str
) -> None:
    store.calls.clear()
    response = await anonymous.get(DEPLOY, headers={"Authorization": value})
    (error,) = await errors_of(response, 401)
    assert message in error
    assert len(error) < 200
    assert store.calls == {}


async def test_two_tokens_are_refused(anonymous: Client) -> None:
    token = await make(anonymous)
    twice = CIMultiDict([*token.items(), *token.items()])
    (error,) = await errors_of(await anonymous.get(DEPLOY, headers=twice), 401)
    assert error == "the header Authorization must be given exactly once"


async def test_a_token_beside_a_subject_is_refused(anonymous: Client) -> None:
    token = await make(anonymous)
    response = await anonymous.get(DEPLOY, headers={**SUBJECT, **token})
    (error,) = await errors_of(response, 401)
    assert error == f"the request has a token and the header {HEADER}: send one of them"


async def test_a_bearer_token_of_a_gateway_beside_a_subject_is_ignored(anonymous: Client) -> None:
    headers = {**SUBJECT, "Authorization": "Bearer eyJhbGciOi"}
    await data_of(await anonymous.get(DEPLOY, headers=headers))


async def test_a_token_in_the_url_is_not_accepted(anonymous: Client) -> None:
    token = (await make(anonymous))["Authorization"].removeprefix("Bearer ")
    await errors_of(await anonymous.get(f"{DEPLOY}?token={token}"), 401)
    await errors_of(await anonymous.get(f"{DEPLOY}?access_token={token}"), 401)


@pytest.mark.parametrize("path", ["latest/events", "latest/builds/web/log?follow=true"])
async def test_a_stream_ends_when_its_token_is_revoked(
    serve: Serve, builder: ScriptedBuilder, path: str
) -> None:
    client = await serve(headers={}, request_timeout=0.4)
    token = await make(client)
    await configured(client)
    await data_of(await client.post(DEPLOY, headers=token), 201)
    builder.logs["build-1"] = ["one line"]
    stream = await client.get(f"{DEPLOY}/{path}", headers=token)
    assert stream.status == 200
    await stream.content.readany()
    await data_of(await client.delete(f"{TOKENS}/ci", headers=SUBJECT))
    async with asyncio.timeout(10):
        with pytest.raises(aiohttp.ClientPayloadError):
            await stream.read()


async def test_a_stream_goes_on_while_the_store_does_not_respond(
    serve: Serve, store: CountingStore
) -> None:
    client = await serve(headers={}, request_timeout=0.4)
    token = await make(client)
    await configured(client)
    await data_of(await client.post(DEPLOY, headers=token), 201)
    stream = await client.get(f"{DEPLOY}/latest/events", headers=token)
    failed, again = asyncio.Event(), asyncio.Event()

    async def succeed() -> None:
        again.set()

    async def fail() -> None:
        failed.set()
        store.before["list"] = succeed
        raise Unavailable("down")

    store.before["list"] = fail
    async with asyncio.timeout(10):
        await failed.wait()
        await again.wait()
    assert not stream.closed
    stream.close()


async def test_a_token_needs_no_secret_where_builds_run(serve: Serve) -> None:
    app = create_app(Settings(), MemoryStore(), BuildsHere())
    client = await serve(headers={}, app=app)
    headers = {"Authorization": f"Bearer {new_text()}"}
    (error,) = await errors_of(await client.get(DEPLOY, headers=headers), 401)
    assert "no such token" in error


async def test_a_token_is_accepted_through_a_gateway_and_beside_any_certificate(
    files: Files, listen: Listen
) -> None:
    settings = files.settings(gateway_subjects=(GATEWAY,))
    app = create_app(settings, MemoryStore(), ScriptedBuilder())
    _, url = await listen(settings, app)
    async with aiohttp.ClientSession() as session:
        body = {"name": "ci", "scopes": ["read"]}
        async with session.post(f"{url}{TOKENS}", json=body, ssl=files.client()) as response:
            token = (await response.json())["data"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        for context in (files.client("gateway", "platform"), files.client("other")):
            async with session.get(f"{url}{DEPLOY}", headers=headers, ssl=context) as response:
                assert response.status == 200
        # The certificate is the tool's own, but what was sent as well permits less.
        async with session.post(f"{url}{DEPLOY}", headers=headers, ssl=files.client()) as response:
            assert response.status == 403


async def test_a_flood_of_unknown_tokens_does_not_reach_the_store_without_bound(
    serve: Serve, store: CountingStore
) -> None:
    client = await serve(headers={}, reads_per_minute=5)
    token = await make(client)
    await data_of(await client.get(DEPLOY, headers=token))
    store.calls.clear()
    statuses = []
    for number in range(20):
        headers = {"Authorization": f"Bearer {new_text()}"}
        response = await client.get(f"/api/v1/tool/tool-{number}/deploy", headers=headers)
        statuses.append(response.status)
    assert statuses == [401] * 4 + [429] * 16
    assert store.calls == {"list": 4}
    # The owner of a token that was accepted here before is not kept out.
    await data_of(await client.get(DEPLOY, headers=token))


async def test_a_token_that_was_revoked_counts_as_unknown(
    serve: Serve, store: CountingStore
) -> None:
    client = await serve(headers={}, reads_per_minute=3)
    token = await make(client)
    await data_of(await client.get(DEPLOY, headers=token))
    await data_of(await client.delete(f"{TOKENS}/ci", headers=SUBJECT))
    store.calls.clear()
    statuses = [(await client.get(DEPLOY, headers=token)).status for _ in range(10)]
    assert statuses == [401] * 3 + [429] * 7
    assert store.calls == {"list": 3}


async def test_requests_with_a_token_count_for_the_tool(serve: Serve) -> None:
    client = await serve(headers={}, reads_per_minute=2)
    token = await make(client)
    for status in (200, 200, 429):
        assert (await client.get(DEPLOY, headers=token)).status == status


async def test_a_token_with_components_deploys_only_these(anonymous: Client) -> None:
    token = await make(anonymous, components=["web", "api"])
    await configured(anonymous, "web", "api", "cron")
    (error,) = await errors_of(await anonymous.post(DEPLOY, headers=token), 403)
    assert error == (
        "components: this caller may deploy only api, web, and the deployment has also cron"
    )
    for names in (["web"], ["web", "api"]):
        response = await anonymous.post(DEPLOY, json={"components": names}, headers=token)
        await data_of(response, 201)
    for dry_run in (False, True):
        body = {"components": ["web", "cron"], "dry-run": dry_run}
        await errors_of(await anonymous.post(DEPLOY, json=body, headers=token), 403)


async def test_what_a_permitted_component_reuses_must_be_permitted_too(anonymous: Client) -> None:
    token = await make(anonymous, components=["nightly"])
    await configured(anonymous, "web", nightly=reusing("web"))
    body = {"components": ["nightly"]}
    (error,) = await errors_of(await anonymous.post(DEPLOY, json=body, headers=token), 403)
    assert "the deployment has also web" in error


async def test_a_token_with_components_repeats_and_cancels_only_deployments_of_these(
    anonymous: Client, builder: ScriptedBuilder
) -> None:
    token = await make(anonymous, components=["web"])
    await configured(anonymous, "web", "cron")
    deployment = await data_of(await anonymous.post(DEPLOY, headers=SUBJECT), 201)
    own = f"{DEPLOY}/{deployment['deploy-id']}"
    await errors_of(await anonymous.put(f"{own}/cancel", headers=token), 403)
    await data_of(await anonymous.put(f"{own}/cancel", headers=SUBJECT))
    await ended(anonymous, builder, BuildStatus.CANCELLED)
    await errors_of(await anonymous.post(f"{own}/retry", headers=token), 403)
    body = {"components": ["web"]}
    deployment = await data_of(await anonymous.post(DEPLOY, json=body, headers=SUBJECT), 201)
    own = f"{DEPLOY}/{deployment['deploy-id']}"
    await data_of(await anonymous.put(f"{own}/cancel", headers=token))
    await ended(anonymous, builder, BuildStatus.CANCELLED)
    await data_of(await anonymous.post(f"{own}/retry", headers=token), 201)


async def test_a_token_with_components_does_not_roll_back_others(
    anonymous: Client, builder: ScriptedBuilder
) -> None:
    token = await make(anonymous, components=["web"])
    await configured(anonymous, "web", "cron")
    deployment = await data_of(await anonymous.post(DEPLOY, headers=SUBJECT), 201)
    await ended(anonymous, builder, BuildStatus.FINISHED)
    own = f"{DEPLOY}/{deployment['deploy-id']}"
    (error,) = await errors_of(await anonymous.post(f"{own}/rollback", headers=token), 403)
    assert "the deployment has also cron" in error


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_token_with_components_supersedes_nothing(anonymous: Client, dry_run: bool) -> None:
    token = await make(anonymous, components=["web"])
    await configured(anonymous)
    body = {"when-busy": "supersede", "dry-run": dry_run}
    (error,) = await errors_of(await anonymous.post(DEPLOY, json=body, headers=token), 403)
    assert error.startswith("when-busy: this caller may deploy only some components")


async def test_a_key_of_the_tool_shows_a_token_with_components_nothing(anonymous: Client) -> None:
    token = await make(anonymous, components=["web"])
    await configured(anonymous, "web", "cron")
    key = {"Idempotency-Key": "once"}
    await data_of(await anonymous.post(DEPLOY, headers={**SUBJECT, **key}), 201)
    await errors_of(await anonymous.post(DEPLOY, headers={**token, **key}), 422)


async def test_a_page_of_another_origin_changes_nothing_with_a_token(anonymous: Client) -> None:
    token = await make(anonymous)
    await configured(anonymous)
    headers = {**token, "Origin": "https://elsewhere.example"}
    await errors_of(await anonymous.post(DEPLOY, headers=headers), 403)


async def test_an_unknown_route_is_not_found_with_a_token_too(anonymous: Client) -> None:
    response = await anonymous.get("/nowhere", headers={"Authorization": f"Bearer {new_text()}"})
    await errors_of(response, 404)
