"""TLS that the service ends itself: a client without a certificate of our CA does not connect."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiohttp import web
from cryptography import x509

from components.settings import Settings


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the files of certificate, key and clients' CA hold, and where they are."""

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
        """Return a context that demands a client's certificate. Raises `OSError`.

        Each content of the files gets a context of its own: what one has verified once, in a
        session that a client resumes, means nothing to the next.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        context.load_verify_locations(self.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


def peer_name(request: web.Request) -> x509.Name | None:
    """Return the subject of the certificate at the other end; None without TLS."""
    transport = request.transport
    connection = transport.get_extra_info("ssl_object") if transport else None
    if connection is None:
        return None
    return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True)).subject
