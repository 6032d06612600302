"""The addresses that the service connects to for strangers: public ones only.

Who may name a host could otherwise reach what only this machine can: other services on loopback,
the cluster's network, a cloud's metadata. The check is made on each address that is about to be
connected to, not on a name, which could have another address a moment later.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
"""Addresses that a gateway translates to the IPv4 address in their last 32 bits (RFC 6052)."""

_RECEIVE_BYTES = 32 * 1024
"""How much of a response may arrive before it is read."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that has been assigned for use as public addresses (RFC 4291, 2.4)."""


class AddressRefused(OSError):
    """An address that is not public.

    The message does not contain the address: who asks could learn the addresses of internal names.
    """

    def __init__(self) -> None:
        super().__init__(
            "its address is not a public one; loopback, link-local, private and reserved addresses "
            "are allowed only with COMPONENTS_SOURCE_PRIVATE=true"
        )


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public Internet, for all that is known of it.

    One that stands for an IPv4 address (mapped, NAT64, 6to4) is as public as that.
    """
    if isinstance(address, IPv6Address):
        if embedded := _embedded(address):
            return is_public(embedded)
        if address not in _GLOBAL_UNICAST:
            return False
    # `is_global` alone includes multicast, and `is_private` lacks the shared 100.64.0.0/10.
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def check_address(host: str) -> None:
    """Raise `AddressRefused` unless `host`, a numeric address, is public.

    Raises `ValueError` where it is not an address.
    """
    if not is_public(ip_address(host)):
        raise AddressRefused


def connector(
    *, private: bool = False, resolver: AbstractResolver | None = None, **options: Any
) -> aiohttp.TCPConnector:
    """Return a connector that connects to public addresses, and with `private` to all.

    It is for a session without `trust_env`: a proxy would connect to what it is told. A request to
    another address raises `ClientConnectorError`, whose `os_error` is `AddressRefused`. `resolver`
    replaces the system's; `options` are those of `TCPConnector`.
    """
    factory = _socket if private else _public_socket
    return aiohttp.TCPConnector(resolver=resolver, socket_factory=factory, **options)


def _public_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """Return the socket for one address, which is connected right after. Raises `AddressRefused`.

    aiohttp gets each of its sockets here, also for an address in a URL and after a redirect.
    """
    check_address(str(info[-1][0]))
    return _socket(info)


def _socket(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    found = socket.socket(family, kind, protocol)
    # What has arrived is parsed at once, and holds the event loop for as long.
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    return found
