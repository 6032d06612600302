"""TLS terminated by the service: clients must have a certificate of our CA."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiohttp import web
from cryptography import x509

from components.settings import Settings


class StaleConnection(Exception):
    """The connection was made under a context that is no longer the current one."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The paths and contents of the certificate, the key and the clients' CA."""

    certificate: Path
    key: Path
    client_ca: Path
    content: tuple[bytes, ...]

    @classmethod
    def read(cls, settings: Settings) -> Self:
        """Read the files that the settings name. Raises `OSError`."""
        certificate, key = Path(settings.tls_cert), Path(settings.tls_key)
        client_ca = Path(settings.tls_client_ca)
        content = tuple(path.read_bytes() for path in (certificate, key, client_ca))
        return cls(certificate, key, client_ca, content)

    def context(self) -> ssl.SSLContext:
        """Return a context that requires a client certificate. Raises `OSError`.

        Each version of the files gets its own context, so that a session that one context has
        verified cannot be resumed under the next.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        context.load_verify_locations(self.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


class CurrentTls:
    """The context that connections must have been made under; None without TLS."""

    def __init__(self) -> None:
        self.context: ssl.SSLContext | None = None


def peer_name(request: web.Request, current: CurrentTls) -> x509.Name | None:
    """Return the subject of the client certificate; None without TLS.

    Raises `StaleConnection` if it was verified by a CA that may have been removed since, or if the
    connection is gone.
    """
    transport = request.transport
    connection = transport.get_extra_info("ssl_object") if transport else None
    if connection is None and current.context is None:
        return None
    # A handshake that was in progress while the files changed uses the old context.
    if connection is None or connection.context is not current.context:
        raise StaleConnection(
            "the TLS files have changed since this connection was made: connect again"
        )
    return certified_name(connection)


def certified_name(connection: ssl.SSLObject) -> x509.Name:
    """Return the subject of the client certificate of a connection."""
    certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None  # noqa: S101 - a client without one does not connect
    return x509.load_der_x509_certificate(certificate).subject
