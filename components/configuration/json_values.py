"""The rules of JSON, which apply to each configuration, whether written in JSON or YAML."""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

from components.configuration.problems import (
    InvalidConfiguration,
    MalformedConfiguration,
    Problem,
    printable,
)

MAX_BYTES = 256 * 1024
"""The maximum size of a configuration, both as sent and as stored JSON."""

MAX_DEPTH = 64
"""How deep a configuration may nest; a valid one needs four levels."""

MAX_VALUES = 20_000
"""How many keys and values a configuration may have; 200 components with all fields have 8000."""

TOO_MANY_VALUES = f"has more than {MAX_VALUES} keys and values"

MAX_NUMBER_BITS = 14_000
"""The maximum size of an integer: some 4200 digits, within Python's limit for conversion."""


class DuplicateKeys(dict[str, Any]):
    """A mapping that was written with duplicate keys: `repeated`."""

    def __init__(self, values: dict[str, Any], repeated: tuple[str, ...]) -> None:
        super().__init__(values)
        self.repeated = repeated


def object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the mapping of `pairs`, as `DuplicateKeys` if a key is repeated."""
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    counts = Counter(key for key, _ in pairs)
    return DuplicateKeys(values, tuple(key for key, count in counts.items() if count > 1))


def json_problems(value: Any) -> Iterator[Problem]:
    """Yield what JSON cannot represent in `value`.

    This includes duplicate keys, numbers that are not finite, and strings with lone surrogates
    (RFC 8259, 8.2). Raises `MalformedConfiguration` if it is nested too deep, and
    `InvalidConfiguration` if it has too many values.
    """
    return _check(value, (), count(1))


def _check(value: Any, path: tuple[str | int, ...], counter: Iterator[int]) -> Iterator[Problem]:
    _count(counter)
    if isinstance(value, dict | list) and len(path) >= MAX_DEPTH:
        raise MalformedConfiguration(f"nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        if isinstance(value, DuplicateKeys):
            for key in value.repeated:
                yield Problem((*path, key), "is a duplicate key: keep one")
        for key, item in value.items():
            _count(counter)
            if not _is_text(key):
                yield Problem(path, f"has a key with a lone surrogate: {printable(key)}")
            yield from _check(item, (*path, key), counter)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _check(item, (*path, index), counter)
    elif isinstance(value, str):
        if not _is_text(value):
            yield Problem(path, f"has a lone surrogate: {printable(value)}")
    elif isinstance(value, int) and value.bit_length() > MAX_NUMBER_BITS:
        yield Problem(path, "must be a number with fewer digits")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, f"must be a finite number, not {value}")


def _count(counter: Iterator[int]) -> None:
    if next(counter) > MAX_VALUES:
        raise InvalidConfiguration((Problem((), TOO_MANY_VALUES),))


def _is_text(text: str) -> bool:
    """Whether `text` can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
