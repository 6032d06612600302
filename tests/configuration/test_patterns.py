"""No pattern takes more than linear time for any text.

This covers the patterns in the published schemas and in every module.
"""

import re
import time
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pkgutil import walk_packages
from typing import Any

import pytest

import components
from components.configuration.json_schema import json_schema
from components.http.app import create_app
from components.http.documentation.document import document_of
from components.settings import Settings

LENGTH = 20_000
SECONDS = 0.05
"""A quadratic pattern takes some ten times as long, others a tenth of it."""

BEGINNINGS = ("", "1", "a", "/", "//", "* * * ", "https://", "https://a", "mytool-deploy-")
UNITS = (
    *("a", "A", "0", " ", "\t", "\n", "/", "//", "//a", "-", ".", "_", ",", "*", "@", "\0", "\\"),
    *("1 ", "a ", "jan", "1,", ":5", "é", "\\u0041", "\ud800", "${", "1e", "a-"),
)
ENDS = ("", "\0", " ", "\n", "x", "!", "@", "\\")
TEXTS = [
    start + unit * (LENGTH // len(unit)) + end
    for start, unit, end in product(BEGINNINGS, UNITS, ENDS)
]


def published(schema: Any) -> Iterator[str]:
    """Yield the patterns in a schema."""
    if isinstance(schema, dict):
        if isinstance(pattern := schema.get("pattern"), str):
            yield pattern
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else ():
        yield from published(each)


def compiled() -> Iterator[str]:
    """Yield the patterns in modules of the service."""
    for module in walk_packages(components.__path__, "components."):
        if not module.name.endswith("__main__"):
            for value in vars(import_module(module.name)).values():
                if isinstance(value, re.Pattern):
                    yield value.pattern


PATTERNS = sorted(
    {
        *published(json_schema()),
        *published(document_of(create_app(Settings()))),
        *compiled(),
    }
)


def seconds(pattern: re.Pattern[str], text: str) -> float:
    """Return the CPU time that a pattern takes for a text, the best of three runs."""
    times = []
    for _ in range(3):
        start = time.thread_time()
        pattern.fullmatch(text)
        pattern.search(text)
        times.append(time.thread_time() - start)
        if times[-1] < SECONDS:
            break
    return min(times)


def test_patterns_are_collected() -> None:
    assert r"^\s*[^\s\x00][^\x00]*$" in PATTERNS
    assert len(PATTERNS) > 12


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_takes_linear_time(pattern: str) -> None:
    for text in TEXTS:
        assert seconds(re.compile(pattern), text) < SECONDS, text[:20] + "..." + text[-20:]


def test_a_pattern_that_takes_quadratic_time_is_detected() -> None:
    assert seconds(re.compile(r"[^\x00]*[^\s\x00][^\x00]*"), "a" * (LENGTH // 2) + "\0") > SECONDS
