"""The files of the client's certificate, reloaded when they are renewed."""

import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """The files of the client's certificate, its key, and the service's CA; or none."""

    certificate: str = ""
    key: str = ""
    ca: str = ""

    def contents(self) -> tuple[bytes, ...]:
        """Return their contents; timestamps are too coarse to detect a change. Raises `OSError`."""
        named = filter(None, (self.certificate, self.key, self.ca))
        return tuple(Path(each).read_bytes() for each in named)

    def context(self) -> ssl.SSLContext:
        """Return their TLS context. Raises `OSError` (`ssl.SSLError` is one), `ValueError`."""
        context = ssl.create_default_context(cafile=self.ca or None)
        if self.certificate:
            # Without a password, OpenSSL would prompt for that of an encrypted key.
            context.load_cert_chain(self.certificate, self.key or None, password="")
        return context


@dataclass(slots=True)
class RenewedContext:
    """The TLS context of files that change: always the last valid one."""

    files: ClientFiles
    _context: ssl.SSLContext | None = None
    _contents: tuple[bytes, ...] = field(default=(), repr=False)

    def open(self) -> None:
        """Read the files for the first time. Raises `OSError` and `ValueError` for bad ones."""
        self._contents = self.files.contents()
        self._context = self.files.context()

    def now(self) -> ssl.SSLContext:
        """Return the context for a new connection.

        Files that are invalid, such as while they are being written, are used once they are valid.
        """
        if self._context is None:
            raise RuntimeError("the files have not been opened")
        try:
            contents = self.files.contents()
            if contents != self._contents:
                self._context, self._contents = self.files.context(), contents
        except (OSError, ValueError) as error:
            logger.warning("the renewed certificate for Toolforge cannot be loaded: %s", error)
        return self._context
