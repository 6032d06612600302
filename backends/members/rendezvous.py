"""Assigns a key to one of the live members, without communication.

Rendezvous hashing (Thaler and Ravishankar, 1996): each member gets a weight for the key, and the
highest wins. When a member leaves, only its keys move.
"""

import hashlib
from collections.abc import Collection


def responsible(key: str, members: Collection[str]) -> str:
    """Return the member responsible for `key`. Raises `ValueError` without members."""
    return max(members, key=lambda member: (_weight(member, key), member))


def _weight(member: str, key: str) -> bytes:
    return hashlib.blake2b(f"{member}\0{key}".encode(), digest_size=8).digest()
