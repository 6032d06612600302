"""Conditional requests: `If-None-Match` for reads, and `If-Match` against lost updates."""

import pytest
from multidict import CIMultiDict

from backends.builders.base import BuildStatus
from tests.builders.scripted import ScriptedBuilder
from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Serve, data_of, errors_of


@pytest.fixture
async def etag(client: Client) -> str:
    """The `ETag` of the stored configuration."""
    return (await client.post(CONFIG, json=configuration())).headers["ETag"]


async def test_the_etag_changes_with_the_configuration(client: Client, etag: str) -> None:
    assert (await client.get(CONFIG)).headers["ETag"] == etag
    other = await client.post(CONFIG, json=configuration("other"))
    assert other.headers["ETag"] != etag
    assert (await client.post(CONFIG, json=configuration())).headers["ETag"] == etag


async def test_if_none_match_with_the_current_etag_returns_304(client: Client, etag: str) -> None:
    response = await client.get(CONFIG, headers={"If-None-Match": f'"other", {etag}'})
    assert (response.status, response.headers["ETag"], await response.read()) == (304, etag, b"")
    await data_of(await client.get(CONFIG, headers={"If-None-Match": '"other"'}))


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("condition", ['"other"', 'W/"{etag}"'])
async def test_a_write_with_another_etag_fails_and_returns_the_current_etag(
    client: Client, etag: str, method: str, condition: str
) -> None:
    headers = {"If-Match": condition.format(etag=etag.strip('"'))}
    body = configuration("other") if method == "POST" else None
    response = await client.request(method, CONFIG, json=body, headers=headers)
    (error,) = await errors_of(response, 412)
    assert etag in error
    assert response.headers["ETag"] == etag
    assert await data_of(await client.get(CONFIG)) == configuration()


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("condition", ["", " ", "garbage", ",", '"a', '"a" garbage', '"a", *'])
async def test_an_invalid_condition_of_a_write_is_a_bad_request(
    client: Client, etag: str, method: str, header: str, condition: str
) -> None:
    response = await client.request(method, CONFIG, json={}, headers={header: condition})
    (error,) = await errors_of(response, 400)
    assert error.startswith(f"{header}: must be entity tags")
    assert await data_of(await client.get(CONFIG)) == configuration()


@pytest.mark.parametrize("path", [CONFIG, f"{DEPLOY}/latest"])
async def test_an_invalid_condition_of_a_read_is_a_bad_request(
    client: Client, etag: str, path: str
) -> None:
    await client.post(DEPLOY)
    await errors_of(await client.get(path, headers={"If-None-Match": "garbage"}), 400)


async def test_etags_may_be_in_several_headers(client: Client, etag: str) -> None:
    headers = CIMultiDict([("If-Match", '"other"'), ("If-Match", f'W/"x" , {etag}')])
    await data_of(await client.delete(CONFIG, headers=headers))


@pytest.mark.parametrize("any_", [False, True])
async def test_a_write_with_the_current_etag_succeeds(
    client: Client, etag: str, any_: bool
) -> None:
    headers = {"If-Match": "*" if any_ else f'"other", {etag}'}
    await data_of(await client.post(CONFIG, json=configuration("other"), headers=headers))


async def test_if_none_match_star_stores_only_a_first_configuration(client: Client) -> None:
    headers = {"If-None-Match": "*"}
    await data_of(await client.post(CONFIG, json=configuration(), headers=headers))
    await errors_of(await client.post(CONFIG, json=configuration("other"), headers=headers), 412)


async def test_if_match_fails_without_a_configuration(client: Client) -> None:
    response = await client.post(CONFIG, json=configuration(), headers={"If-Match": "*"})
    (error,) = await errors_of(response, 412)
    assert "there is none now" in error
    assert "ETag" not in response.headers


async def test_the_history_is_newest_first(serve: Serve) -> None:
    client = await serve(configs_kept=2)
    etags = [
        (await client.post(CONFIG, json=configuration(name))).headers["ETag"].strip('"')
        for name in ("a", "b", "c")
    ]
    data = await data_of(await client.get(f"{CONFIG}/history"))
    assert [(each["etag"], each["current"]) for each in data["configurations"]] == [
        (etags[2], True),
        (etags[1], False),
    ]
    assert data["configurations"][1]["config"] == configuration("b")
    assert data["configurations"][0]["stored-time"].startswith("2024-04-04T12:00:00.")


async def test_a_final_deployment_is_immutable_for_caches_under_its_id(
    client: Client, etag: str, builder: ScriptedBuilder
) -> None:
    created = await client.post(DEPLOY)
    path = created.headers["Location"]
    assert "Cache-Control" not in created.headers
    builder.becomes(BuildStatus.FINISHED)
    response = await client.get(path)
    assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    known = {"If-None-Match": response.headers["ETag"]}
    again = await client.get(path, headers=known)
    assert (again.status, again.headers["ETag"]) == (304, response.headers["ETag"])
    assert again.headers["Cache-Control"] == response.headers["Cache-Control"]
    # `latest` will be another deployment later.
    assert "Cache-Control" not in (await client.get(f"{DEPLOY}/latest")).headers


async def test_writes_over_the_rate_get_429_with_retry_after(serve: Serve) -> None:
    client = await serve(writes_per_minute=3)
    for _ in range(3):
        await data_of(await client.post(CONFIG, json=configuration()))
    response = await client.post(CONFIG, json=configuration())
    (error,) = await errors_of(response, 429)
    assert error.startswith("at most 3 requests that change something")
    assert response.headers["Retry-After"] == "20"
    await errors_of(await client.delete(CONFIG), 429)
    await data_of(await client.get(CONFIG))


async def test_the_rate_of_a_tool_does_not_limit_another_tool(serve: Serve) -> None:
    client = await serve(writes_per_minute=1)
    await client.post(CONFIG, json=configuration())
    await errors_of(await client.post(CONFIG, json=configuration()), 429)
    other = {"ssl-client-subject-dn": "CN=other,O=toolforge"}
    path = CONFIG.replace("mytool", "other")
    response = await client.session.post(client.make_url(path), json=configuration(), headers=other)
    await data_of(response)
