"""Whose something is, among those who are live, without asking anybody.

Rendezvous hashing (Thaler and Ravishankar, 1996): everybody gives each member a weight for the key,
and the heaviest has it. Where a member goes, only what it had gets another.
"""

import hashlib
from collections.abc import Collection


def responsible(key: str, members: Collection[str]) -> str:
    """Return the member whose `key` is. Raises `ValueError` where there is no member."""
    return max(members, key=lambda member: (_weight(member, key), member))


def _weight(member: str, key: str) -> bytes:
    return hashlib.blake2b(f"{member}\0{key}".encode(), digest_size=8).digest()
