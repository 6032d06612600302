"""The deploy token in the query of the second face: who it is, and what it may do."""

import pytest
from aiohttp import web

from components.engine.tokens.deploy_token import create_deploy_token, replace_deploy_token
from components.engine.tokens.text import new_text
from components.http.app import create_app
from components.http.identity.identification import TOOL_HEADER
from components.http.keys import CALLER, ENGINE
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.factories import TOOL
from tests.http.conftest import DEPLOY, SUBJECT, Client, Serve, errors_of
from tests.stores.counting import CountingStore

THEIRS = f"/v1/tool/{TOOL}"
OPEN = [
    ("POST", "/deployment"),
    ("GET", "/deployment"),
    ("GET", "/deployment/latest"),
    ("GET", f"/deployment/{TOOL}-deploy-1"),
]
CLOSED = [
    ("GET", "/config"),
    ("POST", "/config"),
    ("GET", "/config/generate"),
    ("GET", "/deployment/token"),
    ("POST", "/deployment/token"),
    ("PUT", "/deployment/latest/cancel"),
    ("DELETE", f"/deployment/{TOOL}-deploy-1"),
]


@pytest.fixture
async def client(serve: Serve, store: CountingStore, builder: ScriptedBuilder) -> Client:
    """The service with routes of the second face that only say who calls."""

    async def who(request: web.Request) -> web.Response:
        return web.json_response({"tool": request[CALLER].tool, "name": request[CALLER].name})

    app = create_app(Settings(reads_per_minute=30), store, builder)
    for method, path in (*CLOSED, *OPEN):
        route = path.replace(f"{TOOL}-deploy-1", "{deploy_id}")
        app.router.add_route(method, f"/v1/tool/{{toolname}}{route}", who)
    # As if the routes had documented it.
    app.middlewares.remove(next(each for each in app.middlewares if _is_of_parameters(each)))
    return await serve(headers={}, app=app)


def _is_of_parameters(middleware: object) -> bool:
    return getattr(middleware, "__name__", "") == "parameters_middleware"


async def made(client: Client) -> str:
    assert client.app is not None
    return (await create_deploy_token(client.app[ENGINE], TOOL)).text


@pytest.mark.parametrize(("method", "path"), OPEN)
async def test_it_creates_and_looks_at_deployments(client: Client, method: str, path: str) -> None:
    token = await made(client)
    response = await client.request(method, f"{THEIRS}{path}?token={token}")
    assert await response.json() == {"tool": TOOL, "name": "the deploy token"}


@pytest.mark.parametrize(("method", "path"), CLOSED)
async def test_it_does_nothing_else(client: Client, method: str, path: str) -> None:
    token = await made(client)
    response = await client.request(method, f"{THEIRS}{path}?token={token}")
    (error,) = await errors_of(response, 403)
    assert error.startswith("the deploy token may not ")


@pytest.mark.parametrize("text", ["", "x", "%00", "%ff", "0" * 7000])
async def test_another_token_does_not_match(client: Client, text: str) -> None:
    await made(client)
    response = await client.get(f"{THEIRS}/deployment?token={text}")
    (error,) = await errors_of(response, 401)
    assert error == "the token in the query does not match the tool's token"


async def test_without_one_the_error_says_so(client: Client) -> None:
    (error,) = await errors_of(await client.get(f"{THEIRS}/deployment?token=x"), 401)
    assert error == "tool 'mytool' has no deploy token: create one"


async def test_an_expired_one_is_refused(client: Client, clock: HandClock) -> None:
    token = await made(client)
    clock.turn(365 * 86400)
    (error,) = await errors_of(await client.get(f"{THEIRS}/deployment?token={token}"), 401)
    assert "has expired, on 2025-04-04" in error


async def test_a_replaced_one_is_refused_at_once(client: Client) -> None:
    token = await made(client)
    assert (await client.get(f"{THEIRS}/deployment?token={token}")).status == 200
    assert client.app is not None
    await replace_deploy_token(client.app[ENGINE], TOOL)
    assert (await client.get(f"{THEIRS}/deployment?token={token}")).status == 401


async def test_two_are_refused(client: Client) -> None:
    token = await made(client)
    response = await client.get(f"{THEIRS}/deployment?token={token}&token={token}")
    (error,) = await errors_of(response, 401)
    assert error == "the query parameter token must be given exactly once"


async def test_the_token_of_another_tool_is_refused(client: Client) -> None:
    token = await made(client)
    response = await client.get(f"/v1/tool/other/deployment?token={token}")
    (error,) = await errors_of(response, 401)
    assert error == "tool 'other' has no deploy token: create one"


async def test_the_header_of_a_trusted_peer_comes_first(client: Client) -> None:
    token = await made(client)
    for tool, status in ((TOOL, 200), ("other", 403)):
        headers = {TOOL_HEADER: tool}
        response = await client.get(f"{THEIRS}/config?token={token}", headers=headers)
        assert response.status == status


async def test_it_is_worth_nothing_on_the_first_face(client: Client) -> None:
    token = await made(client)
    await errors_of(await client.get(f"{DEPLOY}?token={token}"), 401)
    headers = {"Authorization": f"Bearer {token}"}
    await errors_of(await client.get(DEPLOY, headers=headers), 401)


async def test_our_tokens_and_subjects_are_worth_nothing_on_the_second(client: Client) -> None:
    body = {"name": "ci", "scopes": ["read"]}
    response = await client.post(f"/api/v1/tool/{TOOL}/tokens", json=body, headers=SUBJECT)
    token = (await response.json())["data"]["token"]
    for headers in ({"Authorization": f"Bearer {token}"}, SUBJECT):
        await errors_of(await client.get(f"{THEIRS}/deployment", headers=headers), 401)
    await errors_of(await client.get(f"{THEIRS}/deployment?token={token}"), 401)


async def test_a_flood_of_tokens_does_not_reach_the_store_without_bound(
    client: Client, store: CountingStore
) -> None:
    token = await made(client)
    assert (await client.get(f"{THEIRS}/deployment?token={token}")).status == 200
    store.calls.clear()
    statuses = []
    for _ in range(40):
        response = await client.get(f"{THEIRS}/deployment?token={new_text()}")
        statuses.append(response.status)
    assert statuses == [401] * 29 + [429] * 11
    assert store.calls == {"get": 29}
    assert (await client.get(f"{THEIRS}/deployment?token={token}")).status == 200
