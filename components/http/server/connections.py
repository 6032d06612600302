"""Who is connected: how many may be at a time, who makes room, and one connection.

Nothing here knows what is asked. Where there is no more room, the one goes that has been idle the
longest, and never one that is being answered.
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

from components.http.middlewares.headers import ALWAYS
from components.http.responses.envelope import enveloped
from components.invisible_characters import replace_invisible

logger = logging.getLogger(__name__)

_FEW_DESCRIPTORS = 48
"""What is left for backends and files, where a quarter of a process's descriptors is less."""

_LINE_SECONDS = 10.0
"""How often the log says that there is no room."""

_TAKEN_IN = 2**15
"""How many bytes are taken in at a time: as tiny chunks, more would take too long."""

sslproto.SSLProtocol.max_size = _TAKEN_IN  # of a class, since it is the size of a buffer too

_SHOWN = 200
"""How many characters of what a parser says are passed on."""


class State(Enum):
    """What a connection does: it has not asked yet, waits for the next request, or is answered.

    A request whose body is still to come has not been asked.
    """

    NEW = auto()
    WAITING = auto()
    ANSWERING = auto()


_IDLE = (State.NEW, State.WAITING)


def most_connections(wanted: int) -> int:
    """Return how many connections there may be, of those wanted, with the process's descriptors."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, descriptors - max(_FEW_DESCRIPTORS, descriptors // 4)))


class Connections:
    """The connections of one listener: at most `most`, and `most_of_address` of each address.

    0 is any number of an address. One that is trusted, such as a gateway's, does not count for its
    address, since many come through it. All IPv6 addresses of a /64 are one, as one host has them.
    `none` is set while nobody is connected.
    """

    def __init__(self, most: int, most_of_address: int) -> None:
        self._most = most
        self._most_of_address = most_of_address
        # In each state, the longest first.
        self._in: dict[State, OrderedDict[Connection, None]] = {
            state: OrderedDict() for state in State
        }
        self._of_address: Counter[str] = Counter()
        self._next_line = 0.0
        self.none = asyncio.Event()
        self.none.set()

    def add(self, connection: "Connection") -> bool:
        """Count one more, for which an idle one may have to go; return whether there is room."""
        address = connection.address
        of_address = self._most_of_address and self._of_address[address] >= self._most_of_address
        if of_address or sum(map(len, self._in.values())) >= self._most:
            self.complain("no room for all connections, such as the last one of %s", address)
            if not self.make_room(address if of_address else None):
                return False
        self._of_address[address] += 1
        self._in[State.NEW][connection] = None
        self.none.clear()
        return True

    def make_room(self, address: str | None = None) -> bool:
        """End the longest idle one, of an address or of all; return whether there was any.

        There are two kinds, and it is one of those that are more: whoever floods us, with whichever
        kind, makes room with what is its own.
        """
        for state in sorted(_IDLE, key=lambda each: -len(self._in[each])):
            for each in self._in[state]:
                if address is None or (each.address == address and not each.is_trusted):
                    self.remove(each)
                    each.end()
                    return True
        return False

    def trust(self, connection: "Connection") -> None:
        """Count one no longer for its address, if it still counts."""
        if connection in self._in[connection.state]:
            self._forget_address(connection)
            connection.is_trusted = True

    def move(self, connection: "Connection", state: State) -> None:
        """Note what one does now, if it still counts."""
        if connection in self._in[connection.state]:
            del self._in[connection.state][connection]
            self._in[state][connection] = None
        connection.state = state

    def remove(self, connection: "Connection") -> None:
        """Count one no longer, if it was."""
        if self._in[connection.state].pop(connection, connection) is None:
            self._forget_address(connection)
            if not any(self._in.values()):
                self.none.set()

    def complain(self, message: str, *args: object) -> None:
        """Write a line to the log, unless there was one a moment ago: who floods us writes none."""
        now = time.monotonic()
        if now >= self._next_line:
            self._next_line = now + _LINE_SECONDS
            logger.warning(message, *args)

    def _forget_address(self, connection: "Connection") -> None:
        if not connection.is_trusted:
            self._of_address[connection.address] -= 1
            if not self._of_address[connection.address]:
                del self._of_address[connection.address]


class Connection(web.RequestHandler):
    """One connection, from before its handshake to its end."""

    def __init__(
        self, connections: Connections, address: str, manager: web.Server, **options: Any
    ) -> None:
        # What is compressed is refused, and must not be inflated before that.
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
        """Whether there is, or was, a connection that requests come over."""
        return self._wire is not None

    async def start(self) -> None:
        """Answer requests, until the connection ends."""
        try:
            await super().start()
        except ValueError as error:
            # The parser lets URLs through that cannot be read later, such as `http://xn--a/`.
            self._say_unreadable(f"its URL cannot be read: {error}")
            self.force_close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read requests."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what asyncio promises
        self._wire = transport
        if hasattr(transport, "max_size"):
            transport.max_size = _TAKEN_IN
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room."""
        self._connections.remove(self)
        super().connection_lost(exc)

    def end(self) -> None:
        """End it at once, whatever it does."""
        if self._wire is not None:
            self._wire.abort()
        elif self.handshake is not None:
            self.handshake.cancel()

    def enter(self, state: State) -> None:
        """Note what it does now."""
        self._connections.move(self, state)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what cannot be read as a request as other errors are, with one line in the log."""
        if not isinstance(exc, HttpProcessingError):
            response = super().handle_error(request, status, exc, message)
            response.headers.update(ALWAYS)
            return response
        reason = self._say_unreadable(message or "")
        answer = enveloped(None, errors=[f"this is not HTTP: {reason}"], status=status)
        answer.headers.update(ALWAYS)
        answer.force_close()
        return answer

    def _say_unreadable(self, message: str) -> str:
        """Write a line about what cannot be read, and return what is wrong with it."""
        self._unreadable = True
        first = next(iter(message.strip().splitlines()), "").rstrip(":")
        reason = replace_invisible(first[:_SHOWN])
        logger.warning("what %s sent is not HTTP: %s", self.address, reason)
        return reason

    def log_access(
        self, request: web.BaseRequest, response: web.StreamResponse, time: float | None
    ) -> None:
        """Write a line for each request that was one; the others have theirs already."""
        if not self._unreadable:
            super().log_access(request, response, time)


@web.middleware
async def connection_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a connection know while its request, once all of it is there, is being answered."""
    connection, is_asked = request.protocol, True
    if not isinstance(connection, Connection):
        return await handler(request)

    def is_whole() -> None:
        # A body that comes after the answer is nobody's.
        if is_asked:
            connection.enter(State.ANSWERING)

    request.content.on_eof(is_whole)
    try:
        return await handler(request)
    finally:
        is_asked = False
        connection.enter(State.WAITING)


def _host(address: str) -> str:
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and not found.ipv4_mapped:
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return address
