"""The subject of a client's certificate, as a gateway forwards it."""

import re
from dataclasses import dataclass
from typing import Any, Self

from cryptography.x509 import Name
from cryptography.x509.oid import NameOID, ObjectIdentifier

_OTHER = ObjectIdentifier("2.5.4.0")
"""Stands for every other attribute."""

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
    """Maps every attribute: OpenSSL writes names, such as emailAddress, that RFC 4514 lacks.

    The lookup is case-insensitive (RFC 4514, 2.3). Otherwise `cn` could hide a second `CN`.
    """

    def get(self, name: str, default: Any = None) -> ObjectIdentifier:
        """Return the identifier of an attribute's name."""
        return _NAMES.get(name.upper(), _OTHER)


_ANY_NAME = _AnyName(_NAMES)  # an empty one would be falsy

_ATTRIBUTES = re.compile(r"(?:\\.|[^\\,+])+", re.DOTALL)
"""The attributes of a name, between unescaped separators."""

_MAX_LENGTH = 4096
"""The maximum length of a name, in characters: far longer than real names."""

_IDENTITY = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
"""The attributes that identify a subject."""


def parse_name(text: str) -> Name:
    """Parse an RFC 4514 name. Raises `ValueError` with a message for the client."""
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"it is longer than {_MAX_LENGTH} characters")
    # Its BER would be mistaken for the text itself, which is another subject.
    if any(map(_is_hexadecimal_identity, _ATTRIBUTES.findall(text))):
        raise ValueError("its CN and O must be text, not hexadecimal (`#...`)")
    try:
        name = Name.from_rfc4514_string(text, _ANY_NAME)
    except ValueError:
        raise ValueError("it is not a valid RFC 4514 name") from None
    # An empty name would match every certificate without a subject.
    if not list(name):
        raise ValueError("it is empty")
    return name


def _is_hexadecimal_identity(attribute: str) -> bool:
    name, _, value = attribute.partition("=")
    known = _NAMES.get(name.upper())
    oid = known.dotted_string if known else name
    return value.startswith("#") and oid in {each.dotted_string for each in _IDENTITY}


def same_name(one: Name, other: Name) -> bool:
    """Whether two names have the same attributes, in any order."""
    return _attributes(one) == _attributes(other)


def _attributes(name: Name) -> list[tuple[str, str]]:
    return sorted((each.oid.dotted_string, str(each.value)) for each in name)


@dataclass(frozen=True, slots=True)
class Subject:
    """The identity in a certificate."""

    common_name: str
    organization: str

    @classmethod
    def of(cls, name: Name) -> Self:
        """Return the subject of a name. Raises `ValueError` with a message for the client."""
        values = {
            oid: [attribute.value for attribute in name.get_attributes_for_oid(oid)]
            for oid in _IDENTITY
        }
        if any(len(found) != 1 for found in values.values()):
            raise ValueError("it must have exactly one CN and exactly one O")
        return cls(*(str(found[0]) for found in values.values()))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the subject in an RFC 4514 name. Raises `ValueError` as `of` does."""
        return cls.of(parse_name(text))
