"""The deploy token over HTTP, as Toolforge's clients use it."""

from uuid import UUID

from tests.conftest import HandClock
from tests.factories import TOOL, configuration
from tests.http.conftest import CONFIG, SUBJECT, Client, Serve, data_of, errors_of
from tests.http.toolforge.conftest import NAMED, THEIRS

TOKEN = f"{THEIRS}/deployment/token"
DEPLOYMENT = f"{THEIRS}/deployment"


async def test_a_token_is_created_and_shown_again(theirs: Client) -> None:
    response = await theirs.post(TOKEN)
    data = await data_of(response)
    assert data == {"token": str(UUID(data["token"])), "creation_date": data["creation_date"]}
    assert data["creation_date"] == "2024-04-04T12:00:00.000000Z"
    assert response.headers["Cache-Control"] == "no-store"
    assert await data_of(await theirs.get(TOKEN)) == data
    messages = (await response.json())["messages"]
    assert messages["info"] == ["Deploy token of mytool created successfully."]


async def test_a_second_one_is_a_conflict(theirs: Client) -> None:
    await data_of(await theirs.post(TOKEN))
    (error,) = await errors_of(await theirs.post(TOKEN), 409)
    assert error == "tool 'mytool' has a deploy token already: refresh or delete it"


async def test_a_token_is_replaced_and_deleted(theirs: Client) -> None:
    first = await data_of(await theirs.post(TOKEN))
    second = await data_of(await theirs.put(TOKEN))
    assert first["token"] != second["token"]
    assert await data_of(await theirs.delete(TOKEN)) == second
    await errors_of(await theirs.get(TOKEN), 404)


async def test_what_is_not_there_cannot_be_found(theirs: Client) -> None:
    for method in ("GET", "PUT", "DELETE"):
        (error,) = await errors_of(await theirs.request(method, TOKEN), 404)
        assert error.startswith("Unable to find")


async def test_old_clients_may_ask_to_rebuild_the_storage(theirs: Client) -> None:
    await data_of(await theirs.post(f"{TOKEN}?rebuild_storage=true"))


async def test_a_token_deploys_and_looks_at_deployments(serve: Serve) -> None:
    client = await serve({}, toolforge_api=True)
    await data_of(await client.post(CONFIG, json=configuration(), headers=SUBJECT))
    token = (await data_of(await client.post(TOKEN, headers=NAMED)))["token"]
    deployment = await data_of(
        await client.post(f"{DEPLOYMENT}?token={token}", json={"description": "by CI"})
    )
    own = f"{DEPLOYMENT}/{deployment['deploy_id']}"
    for path in (own, f"{DEPLOYMENT}/latest", DEPLOYMENT):
        await data_of(await client.get(f"{path}?token={token}"))
    await errors_of(await client.put(f"{own}/cancel?token={token}"), 403)
    await errors_of(await client.delete(f"{own}?token={token}"), 403)
    await errors_of(await client.get(f"{TOKEN}?token={token}"), 403)
    await errors_of(await client.get(f"{THEIRS}/config?token={token}"), 403)


async def test_the_errors_of_a_token_are_those_that_clients_know(
    serve: Serve, clock: HandClock
) -> None:
    client = await serve({}, toolforge_api=True)
    (error,) = await errors_of(await client.post(f"{DEPLOYMENT}?token=x"), 401)
    assert error == f"tool {TOOL!r} has no deploy token: create one"
    token = (await data_of(await client.post(TOKEN, headers=NAMED)))["token"]
    (error,) = await errors_of(await client.post(f"{DEPLOYMENT}?token=x"), 401)
    assert "does not match the tool's token" in error
    clock.turn(365 * 86400)
    (error,) = await errors_of(await client.post(f"{DEPLOYMENT}?token={token}"), 401)
    assert "has expired" in error
