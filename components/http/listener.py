"""The address that the service listens on, and TLS files that change while it does."""

import asyncio
import logging
import socket

from aiohttp import web

from components.http.keys import CURRENT_TLS
from components.http.tls import TlsFiles
from components.settings import Settings

BACKLOG = 128

logger = logging.getLogger(__name__)


class Listener:
    """Listens for a runner, in plain text or with TLS as the settings say.

    A live TLS context can learn of a CA and never forgets one. So when files have changed, the
    same socket is listened on with a new context, and connections under the old one are closed
    once they have answered.
    """

    def __init__(self, runner: web.AppRunner, settings: Settings) -> None:
        self._runner = runner
        self._settings = settings
        self._socket: socket.socket | None = None
        self._site: web.SockSite | None = None
        self._files: TlsFiles | None = None

    async def start(self) -> str:
        """Listen; return the URL. Raises `OSError` for the address or a file."""
        files = TlsFiles.read(self._settings) if self._settings.tls else None
        address = (self._settings.host, self._settings.port)
        found = await asyncio.get_running_loop().getaddrinfo(*address, type=socket.SOCK_STREAM)
        family, _, _, _, where = found[0]
        self._socket = socket.create_server(where, family=family, backlog=BACKLOG)
        self._site, self._files = await self._listen(self._socket, files), files
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if files else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def renew(self) -> bool:
        """Take up TLS files that have changed; return whether they had.

        Files that cannot be used, such as half of a new pair, leave everything as it was.
        """
        if self._files is None or self._socket is None or self._site is None:
            return False
        try:
            files = TlsFiles.read(self._settings)
            if files == self._files:
                return False
            site = await self._listen(self._socket, files)
        except OSError as error:
            logger.error("the TLS files have changed and cannot be used: %s", error)  # noqa: TRY400
            return False
        logger.info("the TLS files have changed: new connections use them")
        await self._site.stop()
        self._site, self._files = site, files
        for connection in self._runner.server.connections if self._runner.server else ():
            connection.close()
        return True

    async def stop(self) -> None:
        """Stop listening, if it has begun. What is connected stays so."""
        if self._site is not None:
            await self._site.stop()
        if self._socket is not None:
            self._socket.close()
        self._site = self._socket = None

    async def _listen(self, listened: socket.socket, files: TlsFiles | None) -> web.SockSite:
        context = files.context() if files else None
        site = web.SockSite(self._runner, listened.dup(), ssl_context=context)
        await site.start()
        if context is not None:
            self._runner.app[CURRENT_TLS].context = context
        return site
