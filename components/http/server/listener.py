"""The address that the service listens on, and TLS files that change while it does."""

import asyncio
import logging
import socket
import ssl
from functools import partial
from typing import Any, NoReturn

from aiohttp import web

from backends.supervision import supervised
from components.http.identity.subject import same_name
from components.http.keys import CURRENT_TLS, GATEWAYS
from components.http.server.connections import Connection, Connections, connection_limit
from components.http.server.tls import TlsFiles, certified_name
from components.settings import Settings

BACKLOG = 128

HANDSHAKE_SECONDS = 10.0
"""How long the TLS handshake may take, from the TCP connection on."""

TLS_SHUTDOWN_SECONDS = 2.0
"""How long the TLS shutdown may take."""

LINGER_SECONDS = 1.0
"""How long an unwanted body is still read, so that the client reads the response."""

RETRY_SECONDS = 0.02
"""The pause after a failed `accept`."""

logger = logging.getLogger(__name__)


class Listener:
    """Listens for a runner, in plain text or with TLS as the settings say.

    It calls `accept` itself, since it must count connections before their handshake. A CA can be
    added to a live TLS context, but not removed. So after a change of the files, new connections
    get a new context, and those of the old one are closed after their current response.
    """

    def __init__(self, runner: web.AppRunner, settings: Settings, **options: Any) -> None:
        self._runner = runner
        self._settings = settings
        self._options = options
        most = connection_limit(settings.max_connections)
        if most < settings.max_connections:
            logger.warning("at most %s connections: there are no descriptors for more", most)
        self._connections = Connections(most, settings.max_connections_per_address)
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[NoReturn] | None = None
        self._handshakes: set[asyncio.Task[None]] = set()
        self._files: TlsFiles | None = None
        self._context: ssl.SSLContext | None = None

    @property
    def left(self) -> asyncio.Event:
        """Set while there is no connection."""
        return self._connections.none

    async def start(self) -> str:
        """Listen; return the URL. Raises `OSError` for the address or a file."""
        if self._settings.tls:
            self._use(TlsFiles.read(self._settings))
        address = (self._settings.host, self._settings.port)
        found = await asyncio.get_running_loop().getaddrinfo(*address, type=socket.SOCK_STREAM)
        family, _, _, _, where = found[0]
        listened = self._socket = socket.create_server(where, family=family, backlog=BACKLOG)
        listened.setblocking(False)
        accepting = supervised("accepting connections", partial(self._accept, listened), lambda: 0)
        self._accepting = asyncio.create_task(accepting)
        host, port = listened.getsockname()[:2]
        scheme = "https" if self._context else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def renew(self) -> bool:
        """Load the TLS files if they have changed; return whether they have.

        If they are invalid, such as half of a new pair, the current ones stay in use.
        """
        if self._files is None:
            return False
        try:
            files = TlsFiles.read(self._settings)
            if files == self._files:
                return False
            self._use(files)
        except OSError as error:
            logger.error("the TLS files have changed and cannot be used: %s", error)  # noqa: TRY400
            return False
        logger.info("the TLS files have changed: new connections use them")
        for connection in self._runner.server.connections if self._runner.server else ():
            connection.close()
        return True

    async def stop(self) -> None:
        """Stop listening, if it has begun. Connections stay open."""
        tasks: set[asyncio.Task[Any]] = {
            *self._handshakes,
            *((self._accepting,) if self._accepting else ()),
        }
        for each in tasks:
            each.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._socket is not None:
            self._socket.close()
        self._accepting = self._socket = None

    def _use(self, files: TlsFiles) -> None:
        self._context = self._runner.app[CURRENT_TLS].context = files.context()
        self._files = files

    async def _accept(self, listened: socket.socket) -> None:
        """Accept one connection. The loop serves others between two calls."""
        try:
            accepted, (address, *_) = await asyncio.get_running_loop().sock_accept(listened)
        except OSError as error:
            self._connections.warn("cannot accept a connection: %s", error)
            self._connections.make_room()
            await asyncio.sleep(RETRY_SECONDS)
            return
        self._serve(accepted, address)

    def _serve(self, accepted: socket.socket, address: str) -> None:
        """Serve a connection, if there is room for it."""
        assert self._runner.server is not None  # noqa: S101 - it is set up before it listens
        connection = Connection(
            self._connections,
            address,
            self._runner.server,
            # From the first byte to the last header, for each request.
            keepalive_timeout=self._settings.idle_timeout,
            lingering_time=LINGER_SECONDS,
            **self._options,
        )
        if not self._connections.add(connection):
            accepted.close()
            return
        handshake = connection.handshake = asyncio.create_task(self._connect(accepted, connection))
        self._handshakes.add(handshake)

        def ended(task: asyncio.Task[None]) -> None:
            self._handshakes.discard(task)
            if not connection.is_made:
                self._connections.remove(connection)
                accepted.close()

        handshake.add_done_callback(ended)

    async def _connect(self, accepted: socket.socket, connection: Connection) -> None:
        tls: dict[str, Any] = {}
        if self._context is not None:
            tls = {
                "ssl": self._context,
                "ssl_handshake_timeout": HANDSHAKE_SECONDS,
                "ssl_shutdown_timeout": TLS_SHUTDOWN_SECONDS,
            }
        try:
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                # Drop a client that has stopped reading, also after we have closed.
                timeout = int(self._settings.request_timeout * 1000)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.connect_accepted_socket(lambda: connection, accepted, **tls)
        except OSError as error:
            logger.debug("%s did not connect: %s", connection.address, error)
            return
        if self._is_trusted(transport):
            self._connections.trust(connection)

    def _is_trusted(self, transport: asyncio.Transport) -> bool:
        """Whether a connection is from a gateway, which serves many clients."""
        tls = transport.get_extra_info("ssl_object")
        if tls is None:
            return self._settings.trust_plaintext
        name = certified_name(tls)
        return any(same_name(name, each) for each in self._runner.app.get(GATEWAYS, ()))
