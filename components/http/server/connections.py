"""Connections: how many are allowed at a time, and which one is closed to make room.

Nothing here knows what a request is for. At the limit, the connection that has been idle the
longest is closed, and never one with a request in progress.
"""

import asyncio
import ipaddress
import logging
import resource
import time
from asyncio import sslproto
from collections import Counter, OrderedDict
from enum import Enum, auto
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from components.http.middlewares.headers import COMMON_HEADERS
from components.http.responses.envelope import enveloped
from components.invisible_characters import replace_invisible

logger = logging.getLogger(__name__)

_RESERVED_DESCRIPTORS = 48
"""The minimum of descriptors for backends and files; more if a quarter of the limit is more."""

_WARNING_INTERVAL_SECONDS = 10.0
"""The minimum time between two warnings in the log."""

_READ_SIZE = 2**15
"""How many bytes are read at a time: parsing more, as tiny chunks, would block too long."""

sslproto.SSLProtocol.max_size = _READ_SIZE  # on the class, since it also sets the size of a buffer

_MAX_REASON_LENGTH = 200
"""The maximum length of a parser error in messages."""


class State(Enum):
    """The state of a connection: before its first request, between requests, or in a request.

    A request is in progress once its body has arrived.
    """

    NEW = auto()
    WAITING = auto()
    ANSWERING = auto()


_IDLE = (State.NEW, State.WAITING)


def connection_limit(wanted: int) -> int:
    """Return the wanted limit of connections, or less if the process has too few descriptors."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, descriptors - max(_RESERVED_DESCRIPTORS, descriptors // 4)))


class Connections:
    """The connections of one listener: at most `most`, and `most_of_address` of each address.

    0 per address means unlimited. A trusted connection, such as a gateway's, does not count for its
    address, since it serves many clients. A /64 of IPv6 counts as one address, since one host can
    have all of it. `none` is set while there is no connection.
    """

    def __init__(self, most: int, most_of_address: int) -> None:
        self._most = most
        self._most_of_address = most_of_address
        # In each state, the oldest first.
        self._in: dict[State, OrderedDict[Connection, None]] = {
            state: OrderedDict() for state in State
        }
        self._count_of_address: Counter[str] = Counter()
        self._next_warning = 0.0
        self.none = asyncio.Event()
        self.none.set()

    def add(self, connection: "Connection") -> bool:
        """Add a connection, and close an idle one if needed; return whether there is room."""
        address = connection.address
        of_address = (
            self._most_of_address and self._count_of_address[address] >= self._most_of_address
        )
        if of_address or sum(map(len, self._in.values())) >= self._most:
            self.warn("the limit of connections is reached, last by a connection from %s", address)
            if not self.make_room(address if of_address else None):
                return False
        self._count_of_address[address] += 1
        self._in[State.NEW][connection] = None
        self.none.clear()
        return True

    def make_room(self, address: str | None = None) -> bool:
        """Close the longest idle one, of an address or of all; return whether there was one.

        There are two idle states. It closes one in the state with more connections, so that a
        client that floods the service loses its own connections.
        """
        for state in sorted(_IDLE, key=lambda each: -len(self._in[each])):
            for each in self._in[state]:
                if address is None or (each.address == address and not each.is_trusted):
                    self.remove(each)
                    each.end()
                    return True
        return False

    def trust(self, connection: "Connection") -> None:
        """Mark a connection as trusted: it no longer counts for its address."""
        if connection in self._in[connection.state]:
            self._forget_address(connection)
            connection.is_trusted = True

    def move(self, connection: "Connection", state: State) -> None:
        """Change the state of a connection."""
        if connection in self._in[connection.state]:
            del self._in[connection.state][connection]
            self._in[state][connection] = None
        connection.state = state

    def remove(self, connection: "Connection") -> None:
        """Remove a connection, if it is there."""
        if self._in[connection.state].pop(connection, connection) is None:
            self._forget_address(connection)
            if not any(self._in.values()):
                self.none.set()

    def warn(self, message: str, *args: object) -> None:
        """Log a warning, unless there was one a moment ago: a flood must not fill the log."""
        now = time.monotonic()
        if now >= self._next_warning:
            self._next_warning = now + _WARNING_INTERVAL_SECONDS
            logger.warning(message, *args)

    def _forget_address(self, connection: "Connection") -> None:
        if not connection.is_trusted:
            self._count_of_address[connection.address] -= 1
            if not self._count_of_address[connection.address]:
                del self._count_of_address[connection.address]


class Connection(web.RequestHandler):
    """One connection, from before its handshake to its end."""

    def __init__(
        self, connections: Connections, address: str, manager: web.Server, **options: Any
    ) -> None:
        # Compressed bodies are rejected, and must not be decompressed before that.
        super().__init__(manager, loop=asyncio.get_running_loop(), auto_decompress=False, **options)
        self.address = _host(address)
        self.state = State.NEW
        self.is_trusted = False
        self._connections = connections
        self._unreadable = False
        self._wire: asyncio.Transport | None = None
        self.handshake: asyncio.Task[None] | None = None

    @property
    def is_made(self) -> bool:
        """Whether the connection was established."""
        return self._wire is not None

    async def start(self) -> None:
        """Answer requests, until the connection ends."""
        try:
            await super().start()
        except ValueError as error:
            # The parser lets URLs through that cannot be read later, such as `http://xn--a/`.
            self._log_unreadable(f"its URL cannot be read: {error}")
            self.force_close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read requests."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what asyncio promises
        self._wire = transport
        if hasattr(transport, "max_size"):
            transport.max_size = _READ_SIZE
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop counting it."""
        self._connections.remove(self)
        super().connection_lost(exc)

    def end(self) -> None:
        """Abort it, in any state."""
        if self._wire is not None:
            self._wire.abort()
        elif self.handshake is not None:
            self.handshake.cancel()

    def enter(self, state: State) -> None:
        """Change its state."""
        self._connections.move(self, state)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to invalid HTTP with an error in the envelope, and one line in the log."""
        if not isinstance(exc, HttpProcessingError):
            response = super().handle_error(request, status, exc, message)
            response.headers.update(COMMON_HEADERS)
            return response
        reason = self._log_unreadable(message or "")
        answer = enveloped(None, errors=[f"this is not HTTP: {reason}"], status=status)
        answer.headers.update(COMMON_HEADERS)
        answer.force_close()
        return answer

    def _log_unreadable(self, message: str) -> str:
        """Log that the input is not HTTP, and return the reason."""
        self._unreadable = True
        first = next(iter(message.strip().splitlines()), "").rstrip(":")
        # It may be the URL, whose query may have a token.
        first, _, _ = first.partition("?")
        reason = replace_invisible(first[:_MAX_REASON_LENGTH])
        logger.warning("the input from %s is not HTTP: %s", self.address, reason)
        return reason

    def log_access(
        self, request: web.BaseRequest, response: web.StreamResponse, time: float | None
    ) -> None:
        """Log each valid request; invalid ones have been logged already."""
        if not self._unreadable:
            super().log_access(request, response, time)


@web.middleware
async def connection_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Set the state of the connection while a request with its whole body is in progress."""
    connection, in_progress = request.protocol, True
    if not isinstance(connection, Connection):
        return await handler(request)

    def mark_received() -> None:
        # The rest of a body may arrive after the response.
        if in_progress:
            connection.enter(State.ANSWERING)

    request.content.on_eof(mark_received)
    try:
        return await handler(request)
    finally:
        in_progress = False
        connection.enter(State.WAITING)


def _host(address: str) -> str:
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and not found.ipv4_mapped:
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return address
