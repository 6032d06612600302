"""The problems of a configuration, each with its path, and the errors that report them."""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from typing import Any

MAX_PROBLEMS = 100
"""How many problems are reported; if there are more, an additional one says so."""

_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_USER_INFORMATION = re.compile(r"//[^/]*@")
_UNFINISHED = re.compile(r"//[^/]*\Z")
_SHOWN_LENGTH = 60
_READ_LENGTH = 1000
_SHOWN_NAMES = 10

_NAME_LENGTH = 100
"""The maximum length of a known name; longer names are not compared with known ones."""

_NEAR = 0.6
"""The minimum similarity of two names, from 0 to 1, for a suggestion."""

_MAX_COMPARED = 5
"""With how many names one is compared in full, which takes quadratic time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error or warning: `path` is the full path of the value, `message` describes it."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        where = path_text(self.path)
        return f"{where}: {self.message}" if where else f"the configuration {self.message}"


_MORE = f"has more problems: only the first {MAX_PROBLEMS} are reported"


class MalformedConfiguration(Exception):
    """The text cannot be read as JSON or YAML; the message gives the position."""


class InvalidConfiguration(Exception):
    """The text can be parsed, but is not a valid configuration.

    `problems` are the errors. `hints` are the fields without effect: a missing field may be there
    under another name. `messages` and `hint_messages` are the same as text.
    """

    def __init__(self, problems: tuple[Problem, ...], hints: tuple[Problem, ...] = ()) -> None:
        # Formatted here, once, because this may run outside the event loop.
        self.messages, self.hint_messages = tuple(map(str, problems)), tuple(map(str, hints))
        super().__init__("; ".join(self.messages))
        self.problems = problems
        self.hints = hints


def first_problems(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the first problems; if there are more, the last one says so.

    No more than needed are taken from `found`.
    """
    problems = tuple(islice(found, MAX_PROBLEMS + 1))
    if len(problems) <= MAX_PROBLEMS:
        return problems
    return (*problems[:MAX_PROBLEMS], Problem((), _MORE))


def path_text(path: tuple[str | int, ...]) -> str:
    """Return a path as text: `components.web.build.ref`, `list[0]`, `a["b.c"]`."""
    text = ""
    for step in path:
        if isinstance(step, str) and _PLAIN_STEP.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{printable(step)}]"
    return text


def printable(value: Any) -> str:
    """Return a value as short, printable JSON, for use in a message.

    Lists and mappings are replaced by their type. The user information of a URL is left out,
    because it may be a password.
    """
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    if isinstance(value, str) and len(value) > _READ_LENGTH:
        # The cut may be in the middle of user information.
        value = _UNFINISHED.sub("//…", value[:_READ_LENGTH])
    return clipped(_USER_INFORMATION.sub("//…@", json.dumps(value, ensure_ascii=True, default=str)))


def clipped(text: str) -> str:
    """Return a short text unchanged; of a longer one, the beginning and an ellipsis."""
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


def named(name: str) -> str:
    """Return a name in quotes, clipped if it is longer than a name may be."""
    return repr(name if len(name) <= _NAME_LENGTH else clipped(name))


def listed(names: Collection[str]) -> str:
    """Return the first names, separated by commas, and how many more there are."""
    more = len(names) - _SHOWN_NAMES
    row = ", ".join(islice(names, _SHOWN_NAMES))
    return f"{row} and {more} more" if more > 0 else row


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to `name`, if any is similar enough.

    The work is bounded: only the best candidates by their letters are compared in full.
    """
    if len(name) > _NAME_LENGTH:
        return None
    matcher = SequenceMatcher(b=name)
    candidates = []
    for each in known:
        matcher.set_seq1(each)
        if matcher.real_quick_ratio() >= _NEAR and (bound := matcher.quick_ratio()) >= _NEAR:
            candidates.append((bound, each))
    found = []
    for _, each in sorted(candidates, key=lambda one: (-one[0], one[1]))[:_MAX_COMPARED]:
        matcher.set_seq1(each)
        if (ratio := matcher.ratio()) >= _NEAR:
            found.append((ratio, each))
    return max(found)[1] if found else None
