"""The TLS files of a service, and client certificates."""

import ssl
from pathlib import Path

import trustme

from components.settings import Settings


class Files:
    """The TLS files that an operator provides."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.server_ca = trustme.CA()
        self.client_ca = trustme.CA()
        self.write_certificate()
        self.trust(self.client_ca)

    def write_certificate(self) -> None:
        """Write a new certificate of the service and its key."""
        leaf = self.server_ca.issue_cert("127.0.0.1")
        leaf.cert_chain_pems[0].write_to_path(self.directory / "tls.crt")
        leaf.private_key_pem.write_to_path(self.directory / "tls.key")

    def trust(self, *cas: trustme.CA) -> None:
        """Write the file of the clients' CAs."""
        text = b"".join(each.cert_pem.bytes() for each in cas)
        (self.directory / "ca.crt").write_bytes(text)

    def settings(self, **more: object) -> Settings:
        return Settings(
            port=0,
            tls_cert=str(self.directory / "tls.crt"),
            tls_key=str(self.directory / "tls.key"),
            tls_client_ca=str(self.directory / "ca.crt"),
            **more,  # type: ignore[arg-type]
        )

    def client(
        self, name: str = "mytool", organization: str = "toolforge", by: trustme.CA | None = None
    ) -> ssl.SSLContext:
        """A client's context, with a certificate of that subject."""
        context = ssl.create_default_context()
        self.server_ca.configure_trust(context)
        leaf = (by or self.client_ca).issue_cert(
            f"{name}@example.org",
            common_name=name,
            organization_name=organization,
            organization_unit_name="tests",
        )
        leaf.configure_cert(context)
        return context
