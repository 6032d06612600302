"""The subject of a client's certificate, as a gateway passes it on."""

import re
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
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "C": NameOID.COUNTRY_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    "EMAILADDRESS": NameOID.EMAIL_ADDRESS,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
}


class _AnyName(dict[str, ObjectIdentifier]):
    """Knows every attribute: OpenSSL writes names, such as emailAddress, that RFC 4514 has not.

    Names are compared without regard to case (RFC 4514, 2.3), or `cn` could hide a second `CN`.
    """

    def get(self, name: str, default: Any = None) -> ObjectIdentifier:
        """Return the identifier of an attribute's name."""
        return _NAMES.get(name.upper(), _OTHER)


_ANY_NAME = _AnyName(_NAMES)  # an empty one would count as none

_ATTRIBUTES = re.compile(r"(?:\\.|[^\\,+])+", re.DOTALL)
"""The attributes of a name, as they are written between unescaped separators."""

_MAX_LENGTH = 4096
"""How long a name may be, in characters: far longer than any that is in use."""

_IDENTITY = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
"""What somebody is known by."""


def parse_name(text: str) -> Name:
    """Return the name that an RFC 4514 text writes. Raises `ValueError` in words for its sender."""
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"it is longer than {_MAX_LENGTH} characters")
    # Its BER would be taken for the text itself: not who the certificate names.
    if any(map(_is_hexadecimal_identity, _ATTRIBUTES.findall(text))):
        raise ValueError("its CN and O must be text, and not hexadecimal (`#...`)")
    try:
        name = Name.from_rfc4514_string(text, _ANY_NAME)
    except ValueError:
        raise ValueError("it is not a name as RFC 4514 has it") from None
    # An empty one would be the same as that of any certificate without a subject.
    if not list(name):
        raise ValueError("it is empty")
    return name


def _is_hexadecimal_identity(attribute: str) -> bool:
    name, _, value = attribute.partition("=")
    known = _NAMES.get(name.upper())
    oid = known.dotted_string if known else name
    return value.startswith("#") and oid in {each.dotted_string for each in _IDENTITY}


def same_name(one: Name, other: Name) -> bool:
    """Whether two names have the same attributes, in whatever order they are written."""
    return _attributes(one) == _attributes(other)


def _attributes(name: Name) -> list[tuple[str, str]]:
    return sorted((each.oid.dotted_string, str(each.value)) for each in name)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate says its holder is."""

    common_name: str
    organization: str

    @classmethod
    def of(cls, name: Name) -> Self:
        """Return the subject that a name means. Raises `ValueError` in words for its sender."""
        values = {
            oid: [attribute.value for attribute in name.get_attributes_for_oid(oid)]
            for oid in _IDENTITY
        }
        if any(len(found) != 1 for found in values.values()):
            raise ValueError("it must have exactly one CN and exactly one O")
        return cls(*(str(found[0]) for found in values.values()))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the subject of an RFC 4514 name. Raises `ValueError` in words for its sender."""
        return cls.of(parse_name(text))
