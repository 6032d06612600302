"""The subject of a client's certificate, as a gateway passes it on."""

from dataclasses import dataclass
from typing import Any, Self

from cryptography.x509 import Name
from cryptography.x509.oid import NameOID, ObjectIdentifier

_OTHER = ObjectIdentifier("2.5.4.0")
"""Stands for every attribute that is of no interest here."""

_NAMES = {
    "CN": NameOID.COMMON_NAME,
    "COMMONNAME": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "ORGANIZATIONNAME": NameOID.ORGANIZATION_NAME,
}


class _AnyName(dict[str, ObjectIdentifier]):
    """Knows every attribute: OpenSSL writes names, such as emailAddress, that RFC 4514 has not.

    Names are compared without regard to case (RFC 4514, 2.3), or `cn` could hide a second `CN`.
    """

    def get(self, name: str, default: Any = None) -> ObjectIdentifier:
        """Return the identifier of an attribute's name."""
        return _NAMES.get(name.upper(), _OTHER)


_ANY_NAME = _AnyName(_NAMES)  # an empty one would count as none


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate says its holder is."""

    common_name: str
    organization: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the subject of an RFC 4514 name. Raises `ValueError` in words for its sender."""
        try:
            name = Name.from_rfc4514_string(text, _ANY_NAME)
        except ValueError:
            raise ValueError("it is not a name as RFC 4514 has it") from None
        values = {
            oid: [attribute.value for attribute in name.get_attributes_for_oid(oid)]
            for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        }
        if any(len(found) != 1 for found in values.values()):
            raise ValueError("it must have exactly one CN and exactly one O")
        return cls(*(str(found[0]) for found in values.values()))
