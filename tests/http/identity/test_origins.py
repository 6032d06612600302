"""Protection against DNS rebinding and cross-site requests, also from browsers on this machine."""

import asyncio

import aiohttp
import pytest
from yarl import URL

from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Listen, Serve, data_of, errors_of
from tests.http.server.tls_files import Files

UNKNOWN_HOSTS = [
    "attacker.example",
    "attacker.example:8000",
    "localhost.attacker.example",
    "localhost@attacker.example",
    "attacker.example@localhost",
    "127.0.0.1.attacker.example",
    "10.0.0.1:8000",
    "[2001:db8::1]:8000",
    "0.0.0.0",
    "",
    "[::1",
]
OWN_HOSTS = ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.9.9.9:1", "[::1]:8000", "[::1]"]


@pytest.mark.parametrize("path", [CONFIG, "/docs", "/openapi.json", "/healthz", "/nowhere"])
async def test_an_unknown_host_name_from_this_machine_is_rejected(
    client: Client, path: str
) -> None:
    (error,) = await errors_of(await client.get(path, headers={"Host": "attacker.example"}), 421)
    assert error.startswith("this service does not have the host name 'attacker.example'")
    assert "COMPONENTS_HOSTS" in error


@pytest.mark.parametrize("host", UNKNOWN_HOSTS)
async def test_other_hosts_from_this_machine_are_rejected(client: Client, host: str) -> None:
    assert (await client.get(CONFIG, headers={"Host": host})).status in (400, 421)


async def test_a_rebound_host_name_cannot_change_a_configuration(client: Client) -> None:
    host = f"attacker.example:{client.port}"
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    await errors_of(await client.post(CONFIG, json=configuration(), headers=headers), 421)
    await errors_of(await client.get(CONFIG), 404)


@pytest.mark.parametrize("host", OWN_HOSTS)
async def test_the_names_of_this_machine_are_served(client: Client, host: str) -> None:
    assert (await client.get("/healthz", headers={"Host": host})).status == 200


async def test_a_setting_adds_host_names(serve: Serve) -> None:
    client = await serve(hosts=("components.example",))
    for host in ("components.example", "COMPONENTS.example:80", "localhost"):
        assert (await client.get("/healthz", headers={"Host": host})).status == 200
    await errors_of(await client.get("/healthz", headers={"Host": "other.example"}), 421)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://localhost:1/healthz", 200),
        ("http://[::1]/healthz", 200),
        ("https://LOCALHOST/healthz", 200),
        ("http://attacker.example/healthz", 421),
        ("https://attacker.example/healthz", 421),
        ("ftp://localhost.attacker.example/healthz", 421),
    ],
)
async def test_a_target_in_absolute_form_takes_precedence_over_host(
    client: Client, target: str, status: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == str(status).encode()
    writer.close()
    await writer.wait_closed()


async def test_over_tls_any_host_name_is_served(files: Files, listen: Listen) -> None:
    _, url = await listen(files.settings())
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{url}/healthz", ssl=files.client(), headers={"Host": "gateway.example"}
        ) as response,
    ):
        assert response.status == 200


OTHER_ORIGINS = [
    {"Origin": "http://attacker.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost:1"},
    {"Origin": "https://{own}"},
    {"Origin": "http://{own}.attacker.example"},
    {"Origin": "http://"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://{own}", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://attacker.example", "Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("headers", OTHER_ORIGINS, ids=str)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", CONFIG), ("POST", DEPLOY), ("DELETE", CONFIG)]
)
async def test_write_requests_from_other_origins_are_rejected(
    client: Client, method: str, path: str, headers: dict[str, str]
) -> None:
    own = f"{client.host}:{client.port}"
    sent = {name: value.format(own=own) for name, value in headers.items()}
    response = await client.request(method, path, json=configuration(), headers=sent)
    (error,) = await errors_of(response, 403)
    assert "the request is from a page of another origin" in error


async def test_the_origin_is_checked_before_the_subject(serve: Serve) -> None:
    client = await serve(headers={})
    await errors_of(await client.post(CONFIG, headers={"Origin": "http://attacker.example"}), 403)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://{own}"},
        {"Origin": "http://{own}", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
async def test_write_requests_from_the_own_origin_or_without_a_page_are_allowed(
    client: Client, headers: dict[str, str]
) -> None:
    own = f"{client.host}:{client.port}"
    sent = {name: value.format(own=own) for name, value in headers.items()}
    await data_of(await client.post(CONFIG, json=configuration(), headers=sent))


@pytest.mark.parametrize("origin", ["http://localhost", "http://localhost:80"])
async def test_the_default_port_of_a_scheme_may_be_omitted(client: Client, origin: str) -> None:
    headers = {"Host": "localhost", "Origin": origin}
    await data_of(await client.post(CONFIG, json=configuration(), headers=headers))


async def test_the_origin_of_a_host_name_in_the_settings_is_allowed(serve: Serve) -> None:
    client = await serve(hosts=("components.example",))
    headers = {"Origin": "https://components.example"}
    await data_of(await client.post(CONFIG, json=configuration(), headers=headers))


async def test_other_origins_may_read_public_paths(client: Client) -> None:
    headers = {"Origin": "http://attacker.example", "Sec-Fetch-Site": "cross-site"}
    response = await client.get("/openapi.json", headers=headers)
    assert response.status == 200
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_over_tls_write_requests_from_other_origins_are_rejected(
    files: Files, listen: Listen
) -> None:
    _, url = await listen(files.settings())
    async with aiohttp.ClientSession() as session:
        for origin, status in (("https://attacker.example", 403), (url, 422)):
            async with session.post(
                URL(url) / CONFIG[1:], ssl=files.client(), json={}, headers={"Origin": origin}
            ) as response:
                assert response.status == status
