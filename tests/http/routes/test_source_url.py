"""Deploying a configuration with a `source_url`, over HTTP."""

import logging
from http import HTTPStatus

import pytest
from pytest_aiohttp.plugin import AiohttpServer

from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, Serve, data_of, errors_of, warnings
from tests.sources.host import SourceHost


@pytest.fixture
async def host(aiohttp_server: AiohttpServer) -> SourceHost:
    host = SourceHost()
    server = await aiohttp_server(host.app())
    host.url = str(server.make_url("/tool.yaml"))
    host.give(configuration("web"), etag="one")
    return host


async def test_a_deployment_fetches_the_configuration_and_stores_it(
    serve: Serve, host: SourceHost
) -> None:
    client = await serve(source_private=True)
    posted = await client.post(CONFIG, json={"source_url": host.url})
    assert await data_of(posted) == {"source_url": host.url}
    response = await client.post(DEPLOY)
    assert set((await data_of(response, 201))["builds"]) == {"web"}
    stored = await client.get(CONFIG)
    assert await data_of(stored) == configuration("web")
    assert (await stored.json())["messages"]["info"] == [
        'it was fetched from its source_url: ETag "one"'
    ]
    history = (await data_of(await client.get(f"{CONFIG}/history")))["configurations"]
    assert [each["fetched-from"] for each in history] == [
        {"url": host.url, "commit": None, "etag": '"one"'},
        None,
    ]


async def test_a_dry_run_fetches_and_stores_nothing(serve: Serve, host: SourceHost) -> None:
    client = await serve(source_private=True)
    await client.post(CONFIG, json={"source_url": host.url})
    assert set((await data_of(await client.post(DEPLOY, json={"dry-run": True})))["builds"])
    assert await data_of(await client.get(CONFIG)) == {"source_url": host.url}


async def test_private_addresses_are_refused_by_default(serve: Serve, host: SourceHost) -> None:
    client = await serve()
    await client.post(CONFIG, json={"source_url": host.url})
    (error,) = await errors_of(await client.post(DEPLOY), 422)
    assert error.startswith(f"source_url: {host.url} is not fetched: its address is not a public")
    assert host.hits == 0
    assert (await data_of(await client.get(DEPLOY)))["deployments"] == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [(404, HTTPStatus.UNPROCESSABLE_ENTITY), (502, HTTPStatus.SERVICE_UNAVAILABLE)],
)
async def test_the_status_says_whether_a_repetition_may_help(
    serve: Serve, host: SourceHost, status: int, expected: HTTPStatus
) -> None:
    client = await serve(source_private=True)
    await client.post(CONFIG, json={"source_url": host.url})
    host.status = status
    response = await client.post(DEPLOY)
    (error,) = await errors_of(response, expected)
    assert error.startswith(f"source_url: {host.url} responds with {status}")
    assert ("Retry-After" in response.headers) == (expected is HTTPStatus.SERVICE_UNAVAILABLE)


async def test_all_problems_of_what_was_fetched_are_reported(
    serve: Serve, host: SourceHost
) -> None:
    client = await serve(source_private=True)
    await client.post(CONFIG, json={"source_url": host.url})
    host.give({"components": {"web": {}}, "compnents": 1})
    response = await client.post(DEPLOY)
    assert await errors_of(response, 422) == [
        "source_url: components.web.build: is required: a repository, or reuse_from with a "
        "component's name",
        "source_url: components.web.run: is required: at least the command to run",
    ]
    assert await warnings(response) == [
        "source_url: compnents: has no effect: unknown field; did you mean components?"
    ]


async def test_components_beside_a_source_url_are_a_warning(serve: Serve, host: SourceHost) -> None:
    client = await serve(source_private=True)
    posted = await client.post(CONFIG, json={"source_url": host.url, **configuration("other")})
    assert await warnings(posted) == [
        "components: has no effect: each deployment fetches what source_url names"
    ]
    assert set((await data_of(await client.post(DEPLOY), 201))["builds"]) == {"web"}


async def test_tokens_in_a_url_are_in_no_message_and_not_in_the_log(
    serve: Serve, host: SourceHost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = await serve(source_private=True)
    for url in ("http://me:hunter2@git.example.org/", "http://hunter2@git.example.org/"):
        response = await client.post(CONFIG, json={"source_url": url})
        assert "hunter2" not in "".join(await errors_of(response, 422))
    await client.post(CONFIG, json={"source_url": f"{host.url}?private_token=hunter2"})
    for status, expected in ((404, 422), (500, 503)):
        host.status = status
        response = await client.post(DEPLOY)
        assert "hunter2" not in "".join(await errors_of(response, expected))
    host.status = 200
    info = (await (await client.post(DEPLOY)).json())["messages"]["info"]
    assert "hunter2" not in "".join(info)
    # The host, in the same process, logs what it was asked for.
    logged = [each.getMessage() for each in caplog.records if each.name != "aiohttp.access"]
    assert "hunter2" not in "".join(logged)
    assert any("responds with 500" in each for each in logged)


async def test_fetching_counts_for_the_timeout_of_the_request(
    serve: Serve, host: SourceHost
) -> None:
    client = await serve(source_private=True, request_timeout=0.3, max_running=1)
    await client.post(CONFIG, json={"source_url": host.url})
    with host.hanging():
        await errors_of(await client.post(DEPLOY), 504)
    assert (await data_of(await client.get(DEPLOY)))["deployments"] == []
    assert await data_of(await client.get(CONFIG)) == {"source_url": host.url}
