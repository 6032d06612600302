"""What is wrong with a configuration: problems by path, and the two errors that carry them."""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from typing import Any

MAX_PROBLEMS = 100
"""How many problems are told; where there are more, one more says so."""

_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_USER_INFORMATION = re.compile(r"//[^/]*@")
_UNFINISHED = re.compile(r"//[^/]*\Z")
_SHOWN_LENGTH = 60
_READ_LENGTH = 1000
_SHOWN_NAMES = 10

_NAME_LENGTH = 100
"""Nothing of ours has a longer name, and nothing longer is compared with one."""

_NEAR = 0.6
"""How alike two names are, of at most 1, where one may be meant by the other."""

_COMPARED = 5
"""With how many names one is compared in full: that takes the square of their length."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `path` is the full path of the value, `message` is for people."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        where = path_text(self.path)
        return f"{where}: {self.message}" if where else f"the configuration {self.message}"


_MORE = f"has more to be told: only the first {MAX_PROBLEMS} are"


class MalformedConfiguration(Exception):
    """The text cannot be read as JSON or YAML; the message gives the position."""


class InvalidConfiguration(Exception):
    """The text can be read and is not a configuration.

    `problems` holds all that is wrong, `hints` what else would have no effect: a field that is
    missing may be there under another name. `told` and `hinted` are the same as text.
    """

    def __init__(self, problems: tuple[Problem, ...], hints: tuple[Problem, ...] = ()) -> None:
        # Made here, and once: where it is raised there is time for it.
        self.messages, self.hint_messages = tuple(map(str, problems)), tuple(map(str, hints))
        super().__init__("; ".join(self.messages))
        self.problems = problems
        self.hints = hints


def first_problems(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the first of the problems; where there are more, the last one says so.

    What is beyond those is not asked for.
    """
    problems = tuple(islice(found, MAX_PROBLEMS + 1))
    if len(problems) <= MAX_PROBLEMS:
        return problems
    return (*problems[:MAX_PROBLEMS], Problem((), _MORE))


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
    if isinstance(value, str) and len(value) > _READ_LENGTH:
        # What is cut here may be user information whose end is further on.
        value = _UNFINISHED.sub("//…", value[:_READ_LENGTH])
    return clipped(_USER_INFORMATION.sub("//…@", json.dumps(value, ensure_ascii=True, default=str)))


def clipped(text: str) -> str:
    """Return a text as it is if it is short, else its beginning and an ellipsis."""
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


def named(name: str) -> str:
    """Return a name in quotes, as far as it is no longer than a name may be."""
    return repr(name if len(name) <= _NAME_LENGTH else clipped(name))


def listed(names: Collection[str]) -> str:
    """Return the first of some names in a row, and how many more there are."""
    more = len(names) - _SHOWN_NAMES
    row = ", ".join(islice(names, _SHOWN_NAMES))
    return f"{row} and {more} more" if more > 0 else row


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was most likely meant by `name`, if one comes near.

    The work is bounded: those that could be nearest by their letters alone are compared in full.
    """
    if len(name) > _NAME_LENGTH:
        return None
    matcher = SequenceMatcher(b=name)
    could_be = []
    for each in known:
        matcher.set_seq1(each)
        if matcher.real_quick_ratio() >= _NEAR and (bound := matcher.quick_ratio()) >= _NEAR:
            could_be.append((bound, each))
    found = []
    for _, each in sorted(could_be, key=lambda one: (-one[0], one[1]))[:_COMPARED]:
        matcher.set_seq1(each)
        if (ratio := matcher.ratio()) >= _NEAR:
            found.append((ratio, each))
    return max(found)[1] if found else None
