"""The text of a token: `ctk_`, 43 random characters, and a checksum of 6.

The prefix and the checksum let scanners of repositories and logs find tokens, with next to no false
alarms; and a text that was cut or mistyped is refused before the store is asked.
"""

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "ctk_"

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 43
"""62 to the power of 43 is just above 2 to the power of 256: as random as 32 bytes."""

_CHECKSUM_LENGTH = 6
_TOKEN = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}")


def new_text() -> str:
    """Return the text of a new token."""
    unsigned = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return unsigned + _checksum(unsigned)


def is_whole(text: str) -> bool:
    """Whether a text has the form of a token, and the right checksum."""
    return (
        _TOKEN.fullmatch(text) is not None
        and _checksum(text[:-_CHECKSUM_LENGTH]) == text[-_CHECKSUM_LENGTH:]
    )


def digest_of(text: str) -> str:
    """Return the hash that is stored in place of a token.

    Nobody can guess 256 random bits, so neither salt nor a slow hash would add anything: those are
    for passwords, which people choose.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _checksum(unsigned: str) -> str:
    """Return the CRC-32 of a text in base 62, as in the tokens of GitHub."""
    left, digits = zlib.crc32(unsigned.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        left, digit = divmod(left, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
