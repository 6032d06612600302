"""A page in somebody's browser is a stranger, also where the browser is on this machine."""

import asyncio

import aiohttp
import pytest
from yarl import URL

from tests.factories import configuration
from tests.http.conftest import CONFIG, DEPLOY, Client, Listen, Serve, data_of, errors_of
from tests.http.server.tls_files import Files

STRANGE_HOSTS = [
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
async def test_a_name_that_was_bound_to_this_machine_is_not_served(
    client: Client, path: str
) -> None:
    (error,) = await errors_of(await client.get(path, headers={"Host": "attacker.example"}), 421)
    assert error.startswith("this service is not called 'attacker.example'")
    assert "COMPONENTS_HOSTS" in error


@pytest.mark.parametrize("host", STRANGE_HOSTS)
async def test_no_other_name_is_served_to_this_machine(client: Client, host: str) -> None:
    assert (await client.get(CONFIG, headers={"Host": host})).status in (400, 421)


async def test_a_bound_name_configures_nothing(client: Client) -> None:
    host = f"attacker.example:{client.port}"
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    await errors_of(await client.post(CONFIG, json=configuration(), headers=headers), 421)
    await errors_of(await client.get(CONFIG), 404)


@pytest.mark.parametrize("host", OWN_HOSTS)
async def test_the_names_of_this_machine_are_served(client: Client, host: str) -> None:
    assert (await client.get("/healthz", headers={"Host": host})).status == 200


async def test_a_setting_adds_names(serve: Serve) -> None:
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
async def test_a_target_that_is_a_whole_url_is_for_the_name_in_it(
    client: Client, target: str, status: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] == str(status).encode()
    writer.close()
    await writer.wait_closed()


async def test_over_tls_any_name_is_served(files: Files, listen: Listen) -> None:
    _, url = await listen(files.settings())
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{url}/healthz", ssl=files.client(), headers={"Host": "gateway.example"}
        ) as response,
    ):
        assert response.status == 200


STRANGERS = [
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


@pytest.mark.parametrize("headers", STRANGERS, ids=str)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", CONFIG), ("POST", DEPLOY), ("DELETE", CONFIG)]
)
async def test_another_page_changes_nothing(
    client: Client, method: str, path: str, headers: dict[str, str]
) -> None:
    own = f"{client.host}:{client.port}"
    said = {name: value.format(own=own) for name, value in headers.items()}
    response = await client.request(method, path, json=configuration(), headers=said)
    (error,) = await errors_of(response, 403)
    assert "the page that asks is a stranger" in error


async def test_a_stranger_is_told_before_it_is_asked_who_it_is(serve: Serve) -> None:
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
async def test_our_own_page_and_what_is_no_page_may(
    client: Client, headers: dict[str, str]
) -> None:
    own = f"{client.host}:{client.port}"
    said = {name: value.format(own=own) for name, value in headers.items()}
    await data_of(await client.post(CONFIG, json=configuration(), headers=said))


@pytest.mark.parametrize("origin", ["http://localhost", "http://localhost:80"])
async def test_the_port_that_a_scheme_has_may_be_left_out(client: Client, origin: str) -> None:
    headers = {"Host": "localhost", "Origin": origin}
    await data_of(await client.post(CONFIG, json=configuration(), headers=headers))


async def test_a_page_at_the_name_that_a_gateway_has_for_us_is_our_own(serve: Serve) -> None:
    client = await serve(hosts=("components.example",))
    headers = {"Origin": "https://components.example"}
    await data_of(await client.post(CONFIG, json=configuration(), headers=headers))


async def test_another_page_may_look_at_what_is_open(client: Client) -> None:
    headers = {"Origin": "http://attacker.example", "Sec-Fetch-Site": "cross-site"}
    response = await client.get("/openapi.json", headers=headers)
    assert response.status == 200
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_over_tls_another_page_changes_nothing_either(files: Files, listen: Listen) -> None:
    _, url = await listen(files.settings())
    async with aiohttp.ClientSession() as session:
        for origin, status in (("https://attacker.example", 403), (url, 422)):
            async with session.post(
                URL(url) / CONFIG[1:], ssl=files.client(), json={}, headers={"Origin": origin}
            ) as response:
                assert response.status == status
