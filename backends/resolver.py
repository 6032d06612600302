"""Resolving host names in threads of their own."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from socket import AddressFamily

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS = 32
"""How many names are resolved at a time; one whose server does not respond holds a thread."""


class ThreadResolver(AbstractResolver):
    """The system's resolver. The event loop's own threads are few, and the stores need them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raises `OSError`."""
        resolve = partial(
            socket.getaddrinfo,
            host,
            port,
            family,
            socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, resolve)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=each,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for each, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Resolve no more; a name that is being resolved is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
