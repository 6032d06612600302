"""Which addresses the service connects to for strangers, tried against a server on loopback."""

from ipaddress import ip_address
from socket import AF_INET, AddressFamily
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from backends.addresses import AddressRefused, check_address, connector, is_public

UNREACHABLE = "192.88.99.1"
"""A public address that nothing answers at: RFC 7526 has withdrawn it."""

SHORT = aiohttp.ClientTimeout(sock_connect=0.05)

PUBLIC = {
    "an address": "8.8.8.8",
    "below 100.64.0.0/10": "100.63.255.255",
    "above 100.64.0.0/10": "100.128.0.0",
    "above 172.16.0.0/12": "172.32.0.0",
    "below multicast": "223.255.255.255",
    "IPv6": "2606:4700:4700::1111",
    "a public IPv4 address, mapped": "::ffff:8.8.8.8",
    "a public IPv4 address, NAT64": "64:ff9b::8.8.8.8",
    "a public IPv4 address, 6to4": "2002:808:808::1",
}
REFUSED = {
    "loopback": "127.0.0.1",
    "the end of loopback": "127.255.255.254",
    "unspecified": "0.0.0.0",
    "this network": "0.1.2.3",
    "10.0.0.0/8": "10.255.255.255",
    "172.16.0.0/12": "172.31.255.255",
    "192.168.0.0/16": "192.168.0.1",
    "shared": "100.64.0.1",
    "the end of shared": "100.127.255.255",
    "link-local, where clouds have metadata": "169.254.169.254",
    "protocol assignments": "192.0.0.1",
    "benchmarking": "198.18.0.1",
    "documentation": "203.0.113.1",
    "multicast": "224.0.0.1",
    "multicast in a scope": "239.255.255.250",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 loopback": "::1",
    "IPv6 unspecified": "::",
    "unique local": "fd00:ec2::254",
    "IPv6 link-local": "fe80::1",
    "IPv6 link-local with a zone": "fe80::1%eth0",
    "site-local": "fec0::1",
    "IPv6 multicast": "ff0e::1",
    "IPv6 documentation": "2001:db8::1",
    "Teredo, which is a tunnel to any address": "2001:0:7f00:1::1",
    "discard only": "100::1",
    "segment routing": "5f00::1",
    "not assigned": "4000::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped link-local": "::ffff:169.254.169.254",
    "mapped shared": "::ffff:100.64.0.1",
    "IPv4-compatible loopback": "::127.0.0.1",
    "IPv4-translated loopback": "::ffff:0:127.0.0.1",
    "NAT64 loopback": "64:ff9b::127.0.0.1",
    "NAT64 private": "64:ff9b::10.0.0.1",
    "NAT64 with a local prefix": "64:ff9b:1::8.8.8.8",
    "6to4 loopback": "2002:7f00:1::1",
    "6to4 private": "2002:a00:1::1",
    "6to4 multicast": "2002:e000:1::1",
}


class Answers(AbstractResolver):
    """A name server that gives each of these answers once, and the last one ever after."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
            for each in addresses
        ]

    async def close(self) -> None: ...


@pytest.fixture
def hits() -> list[str]:
    """What the server on loopback was asked for."""
    return []


@pytest.fixture
async def server(aiohttp_server: Any, hits: list[str]) -> TestServer:
    async def respond(request: web.Request) -> web.Response:
        hits.append(request.host)
        return web.Response(text="private")

    app = web.Application()
    app.router.add_get("/", respond)
    started: TestServer = await aiohttp_server(app)
    return started


async def refusal(url: str, resolver: AbstractResolver | None = None) -> AddressRefused:
    async with aiohttp.ClientSession(connector=connector(resolver=resolver)) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(url)
    assert isinstance(caught.value.os_error, AddressRefused)
    return caught.value.os_error


@pytest.mark.parametrize("address", PUBLIC.values(), ids=PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED)
def test_an_address_of_any_other_kind_is_not(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(AddressRefused):
        check_address(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]"])
async def test_an_address_in_a_url_is_checked(
    server: TestServer, hits: list[str], host: str
) -> None:
    await refusal(f"http://{host}:{server.port}/")
    assert hits == []


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0177.0.0.1", "0"])
async def test_an_address_in_an_old_spelling_is_refused(
    server: TestServer, hits: list[str], host: str
) -> None:
    async with aiohttp.ClientSession(connector=connector()) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://{host}:{server.port}/")
    assert hits == []


async def test_a_name_of_this_machine_is_checked(server: TestServer, hits: list[str]) -> None:
    await refusal(f"http://localhost:{server.port}/")
    assert hits == []


async def test_one_private_address_among_others_is_not_connected_to(
    server: TestServer, hits: list[str]
) -> None:
    resolver = Answers(("10.0.0.1", "127.0.0.1", "::1"))
    await refusal(f"http://example.org:{server.port}/", resolver)
    assert hits == []


async def test_a_name_that_is_bound_to_another_address_later_is_checked_again(
    server: TestServer, hits: list[str]
) -> None:
    resolver = Answers((UNREACHABLE,), ("127.0.0.1",))
    url = f"http://example.org:{server.port}/"
    checking = connector(resolver=resolver, use_dns_cache=False)
    async with aiohttp.ClientSession(connector=checking, timeout=SHORT) as session:
        with pytest.raises((aiohttp.ClientConnectorError, TimeoutError)):
            await session.get(url)
        assert resolver.asked == 1  # the address that is connected to is the one checked
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(url)
    assert isinstance(caught.value.os_error, AddressRefused)
    assert hits == []


async def test_private_addresses_can_be_allowed(server: TestServer, hits: list[str]) -> None:
    allowing = connector(private=True)
    async with aiohttp.ClientSession(connector=allowing) as session:
        response = await session.get(f"http://127.0.0.1:{server.port}/")
    assert (response.status, len(hits)) == (200, 1)


async def test_the_message_says_what_to_do_and_not_which_address_it_was(
    server: TestServer,
) -> None:
    message = str(await refusal(f"http://example.org:{server.port}/", Answers(("10.9.8.7",))))
    assert "COMPONENTS_SOURCE_PRIVATE=true" in message
    assert "10.9.8.7" not in message
