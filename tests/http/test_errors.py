"""Errors: every one has the envelope, the status of its type, and no internal details."""

import asyncio

import pytest
from aiohttp import web
from aiohttp_apigami import querystring_schema
from marshmallow import Schema, fields

from components.engine.deployments.documents import DEPLOYMENT
from components.http.app import create_app
from components.http.identity.callers import Needs, Permission
from components.http.identity.needs import NEEDS
from components.http.keys import ROUTE_NEEDS
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.factories import TOOL, configuration
from tests.http.conftest import CONFIG, DEPLOY, HEADER, Client, Serve, data_of, errors_of
from tests.stores.counting import CountingStore


async def test_an_unknown_path_is_not_found(client: Client) -> None:
    (error,) = await errors_of(await client.get("/nowhere"), 404)
    assert "/openapi.json" in error


async def test_a_wrong_method_is_reported_with_the_allowed_ones(client: Client) -> None:
    response = await client.put(CONFIG)
    (error,) = await errors_of(response, 405)
    assert response.headers["Allow"] == "DELETE, GET, HEAD, POST"
    assert error == "the method PUT is not allowed for this path: use DELETE, GET, HEAD, POST"


@pytest.mark.parametrize("path", [CONFIG, DEPLOY, "/healthz", "/readyz"])
async def test_an_unknown_query_parameter_is_reported(client: Client, path: str) -> None:
    (error,) = await errors_of(await client.get(path, params={"force_build": "1"}), 400)
    assert error == "this path has no query parameter 'force_build': it has none"


class Query(Schema):
    force_build = fields.Boolean(data_key="force-build")
    wait = fields.Integer()


@pytest.fixture
async def with_parameters(serve: Serve) -> Client:
    """The service with a route that has query parameters."""

    @querystring_schema(Query)
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"data": request["querystring"], "messages": {}})

    app = create_app(Settings())
    path = "/api/v1/tool/{toolname}/parameters"
    app.router.add_get(path, handler)
    needs: Needs = {**NEEDS, ("GET", path): Permission.READ}
    app[ROUTE_NEEDS] = needs
    return await serve(app=app)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("force_build=1", "no query parameter 'force_build': did you mean 'force-build'?"),
        ("xyz=1", "no query parameter 'xyz': it has force-build, wait"),
        ("wait=long", "wait: Not a valid integer."),
    ],
)
async def test_errors_in_query_parameters_have_a_suggestion_or_a_reason(
    with_parameters: Client, query: str, message: str
) -> None:
    url = f"/api/v1/tool/{TOOL}/parameters?{query}"
    (error,) = await errors_of(await with_parameters.get(url), 400)
    assert message in error


async def test_a_known_query_parameter_is_parsed(with_parameters: Client) -> None:
    response = await with_parameters.get(f"/api/v1/tool/{TOOL}/parameters?force-build=1&wait=5")
    assert (await response.json())["data"] == {"force_build": True, "wait": 5}


async def test_an_internal_error_has_an_id_for_the_client_and_a_traceback_in_the_log(
    client: Client, store: CountingStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise RuntimeError("the password is hunter2")

    store.before["get"] = fail
    response = await client.get(CONFIG)
    (error,) = await errors_of(response, 500)
    error_id = error.split()[2].rstrip(":")
    assert "hunter2" not in await response.text()
    assert error_id in caplog.text
    assert "hunter2" in caplog.text


async def test_a_corrupt_document_is_named(
    client: Client, store: CountingStore, caplog: pytest.LogCaptureFixture
) -> None:
    deploy_id = f"{TOOL}-deploy-20240404120000-1"
    await store.create(TOOL, DEPLOYMENT, deploy_id, {})
    (error,) = await errors_of(await client.get(f"{DEPLOY}/{deploy_id}"), 500)
    assert deploy_id in error
    assert deploy_id in caplog.text


LONG = "\u00e4" * 1200


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", f"/{LONG}", {}),
        ("GET", CONFIG, {"Host": LONG}),
        ("GET", CONFIG, {"Expect": LONG}),
        ("GET", CONFIG, {HEADER: LONG}),
        ("GET", CONFIG, {"If-None-Match": LONG}),
        ("GET", f"{CONFIG}?{LONG}=1", {}),
        ("GET", f"{DEPLOY}/latest?wait={LONG}", {}),
        ("GET", f"{DEPLOY}/{LONG}", {}),
        ("GET", f"{DEPLOY}/{LONG}/events", {}),
        ("GET", f"{DEPLOY}/latest/builds/{LONG}/log", {}),
        ("GET", f"{DEPLOY}/latest/builds/web/log?follow={LONG}", {}),
        ("GET", f"/api/v1/tool/{LONG}/config", {}),
        ("POST", CONFIG, {"Origin": f"http://{LONG}"}),
        ("POST", CONFIG, {"Sec-Fetch-Site": LONG}),
        ("POST", CONFIG, {"Content-Type": LONG}),
        ("POST", CONFIG, {"Content-Type": f"text/plain; charset={LONG[:90]}"}),
        ("POST", DEPLOY, {"Idempotency-Key": LONG}),
    ],
)
async def test_long_invalid_values_are_clipped_in_messages(
    client: Client, method: str, path: str, headers: dict[str, str]
) -> None:
    await client.post(CONFIG, json=configuration())
    await client.post(DEPLOY)
    # With a body: without one, the content type is not checked.
    response = await client.request(method, path, headers=headers, data=b"{}")
    assert response.status >= 400
    assert len(await response.read()) < 1500


async def test_a_request_is_cancelled_after_the_request_timeout(
    serve: Serve, store: CountingStore
) -> None:
    forever = asyncio.Event()
    store.before["get"] = forever.wait
    client = await serve(request_timeout=0.1)
    response = await client.get(CONFIG)
    (error,) = await errors_of(response, 504)
    assert "longer than 0.1 s" in error
    assert response.headers["Retry-After"]


async def test_another_timeout_than_that_of_the_request_is_an_internal_error(
    client: Client, store: CountingStore
) -> None:
    async def fail() -> None:
        raise TimeoutError

    store.before["get"] = fail
    await errors_of(await client.get(CONFIG), 500)


async def test_a_builder_that_hangs_does_not_block_the_response_to_a_deployment(
    serve: Serve, builder: ScriptedBuilder
) -> None:
    client = await serve(request_timeout=0.4)
    await client.post(CONFIG, json=configuration())
    builder.gate.clear()
    data = await data_of(await client.post(DEPLOY), 201)
    assert data["status"] == "PENDING"


async def test_a_body_that_is_cut_short_is_a_bad_request(client: Client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        f"POST {CONFIG} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"ssl-client-subject-dn: CN={TOOL},O=toolforge\r\n"
        "Transfer-Encoding: chunked\r\n\r\nnot a chunk\r\n".encode()
    )
    assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_responses_do_not_name_the_server_software(client: Client) -> None:
    for path in ("/healthz", "/nowhere", "/docs"):
        assert (await client.get(path)).headers["Server"] == "components-api"


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/docs", CONFIG, "/docs/static/start.js"])
async def test_browsers_may_not_sniff_or_frame_responses(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


async def test_an_unsupported_expectation_is_reported_in_the_envelope(client: Client) -> None:
    response = await client.post(CONFIG, data=b"{}", headers={"Expect": "the-impossible"})
    (error,) = await errors_of(response, 417)
    assert "only 100-continue is" in error


async def test_expect_100_continue_is_supported(client: Client) -> None:
    await data_of(await client.post(CONFIG, json=configuration(), expect100=True))
