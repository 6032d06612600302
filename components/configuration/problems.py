"""What is wrong with a configuration: problems by path, and the two errors that carry them."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_USER_INFORMATION = re.compile(r"//[^/]*@")
_SHOWN_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `path` is the full path of the value, `message` is for people."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        where = path_text(self.path)
        return f"{where}: {self.message}" if where else f"the configuration {self.message}"


class MalformedConfiguration(Exception):
    """The text cannot be read as JSON or YAML; the message gives the position."""


class InvalidConfiguration(Exception):
    """The text can be read and is not a configuration.

    `problems` holds all that is wrong, `hints` what else would have no effect: a field that is
    missing may be there under another name.
    """

    def __init__(self, problems: tuple[Problem, ...], hints: tuple[Problem, ...] = ()) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems
        self.hints = hints


def path_text(path: tuple[str | int, ...]) -> str:
    """Return a path as people write it: `components.web.build.ref`, `list[0]`, `a["b.c"]`."""
    text = ""
    for step in path:
        if isinstance(step, str) and _PLAIN_STEP.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{printable(step)}]"
    return text


def printable(value: Any) -> str:
    """Return a value as JSON in a few printable characters, for use in a message.

    Lists and mappings are only named, and the user information of a URL is left out: it may be
    a password.
    """
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    text = _USER_INFORMATION.sub("//…@", json.dumps(value, ensure_ascii=True, default=str))
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was most likely meant by `name`, if one comes near."""
    matches = get_close_matches(name, sorted(known), n=1)
    return matches[0] if matches else None
