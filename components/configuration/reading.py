"""Parsing JSON and YAML: without loss of data, and without execution of code."""

import json
from collections.abc import Iterable
from enum import StrEnum
from itertools import chain
from typing import Any

from components.configuration.json_values import MAX_BYTES, json_problems, object_of_pairs
from components.configuration.problems import (
    InvalidConfiguration,
    MalformedConfiguration,
    Problem,
    first_problems,
)
from components.configuration.yaml_values import read_yaml


class Format(StrEnum):
    """The format of a configuration's text."""

    JSON = "JSON"
    YAML = "YAML"


def read(body: bytes, written_in: Format) -> Any:
    """Return the value of a configuration's text, with the keys in their order.

    Raises `MalformedConfiguration` with the position of a syntax error, and
    `InvalidConfiguration` with the path of each value that JSON cannot represent.
    """
    _check_size(len(body), "")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedConfiguration(
            f"not UTF-8: byte {error.start} is {body[error.start]:#04x}"
        ) from None
    problems: Iterable[Problem]
    try:
        value, problems = (_read_json(text), ()) if written_in is Format.JSON else read_yaml(text)
    except RecursionError:
        raise MalformedConfiguration("nested too deep") from None
    if found := first_problems(chain(problems, json_problems(value))):
        raise InvalidConfiguration(found)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    _check_size(len(text.encode()), " as JSON")
    return value


def format_of(body: bytes) -> Format:
    """Return JSON where a text is that, and otherwise YAML.

    A YAML parser reads most of JSON too, but some of its numbers and escapes differently.
    """
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return Format.YAML
    return Format.JSON


def _check_size(size: int, form: str) -> None:
    if size > MAX_BYTES:
        message = f"has {size} bytes{form}; the maximum is {MAX_BYTES}"
        raise InvalidConfiguration((Problem((), message),))


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=object_of_pairs)
    except json.JSONDecodeError as error:
        raise MalformedConfiguration(
            f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise
    except ValueError:
        # Python does not convert them, because it takes quadratic time (CVE-2020-10735).
        raise MalformedConfiguration("a number has more than 4300 digits") from None
