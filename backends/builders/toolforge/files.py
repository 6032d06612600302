"""The files of the client's certificate, and what is made of them while they are renewed."""

import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """The files of the client's certificate, its key, and the service's authority; or none."""

    certificate: str = ""
    key: str = ""
    authority: str = ""

    def contents(self) -> tuple[bytes, ...]:
        """Return what is in them; times are too coarse to tell that. Raises `OSError`."""
        named = filter(None, (self.certificate, self.key, self.authority))
        return tuple(Path(each).read_bytes() for each in named)

    def context(self) -> ssl.SSLContext:
        """Return a context with them. Raises `OSError` (`ssl.SSLError` is one), `ValueError`."""
        context = ssl.create_default_context(cafile=self.authority or None)
        if self.certificate:
            # Without a password, OpenSSL would ask for that of a locked key at the terminal.
            context.load_cert_chain(self.certificate, self.key or None, password="")
        return context


@dataclass(slots=True)
class RenewedContext:
    """The TLS context of files that change: always the last one that they were good for."""

    files: ClientFiles
    _context: ssl.SSLContext | None = None
    _contents: tuple[bytes, ...] = field(default=(), repr=False)

    def open(self) -> None:
        """Read the files for the first time. Raises `OSError` and `ValueError` for bad ones."""
        self._contents = self.files.contents()
        self._context = self.files.context()

    def now(self) -> ssl.SSLContext:
        """Return the context for a connection that is made now.

        Files that cannot be used, as while they are being written, are used once they can.
        """
        if self._context is None:
            raise RuntimeError("the files have not been opened")
        try:
            contents = self.files.contents()
            if contents != self._contents:
                self._context, self._contents = self.files.context(), contents
        except (OSError, ValueError) as error:
            logger.warning("the certificate for the builds service cannot be renewed: %s", error)
        return self._context
