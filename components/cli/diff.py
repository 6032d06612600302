"""The differences between two configurations, by component."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import unified_diff
from enum import StrEnum
from typing import Any

from components.cli.text import yaml_text
from components.configuration.problems import path_text

_CONTEXT_LINES = 2
_MAX_COMPARED_LINES = 1000
_STYLES = {"+": "green", "-": "red"}
_MISSING = object()


class Change(StrEnum):
    """How a part of a configuration changes."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """A component or another part that differs: its path, how it changes, and a diff."""

    where: str
    change: Change
    lines: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    def as_lines(self) -> list[tuple[str, str]]:
        """Return it as lines for the terminal, each with its style."""
        shown = [(f"  {line}", _STYLES.get(line[:1], "")) for line in self.lines]
        return [(f"{self.where}: {self.change}", "bold"), *shown]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Return the differences from `old` to `new`: by component, then by other key."""
    parts = [
        _difference(path_text(("components", name)), *pair)
        for name, pair in _pairs(old.get("components", {}), new.get("components", {}))
    ]
    parts += [
        _difference(path_text((name,)), *pair)
        for name, pair in _pairs(old, new)
        if name != "components"
    ]
    return [each for each in parts if each]


def _pairs(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[tuple[str, tuple[object, object]]]:
    names = dict.fromkeys((*new, *old))
    return [(name, (old.get(name, _MISSING), new.get(name, _MISSING))) for name in names]


def _difference(where: str, old: object, new: object) -> Difference | None:
    if old == new:
        return None
    change = Change.ADDED if old is _MISSING else Change.CHANGED
    change = Change.REMOVED if new is _MISSING else change
    return Difference(where, change, tuple(_compared(_lines(old), _lines(new))))


def _compared(old: list[str], new: list[str]) -> list[str]:
    """Return a diff of lines; for very many lines, which are slow to compare, all of both."""
    if max(len(old), len(new)) > _MAX_COMPARED_LINES:
        return [f"-{line}" for line in old] + [f"+{line}" for line in new]
    lines = unified_diff(old, new, n=_CONTEXT_LINES, lineterm="")
    # Without the headers: two lines with the names of files, and positions after @@.
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def _lines(value: object) -> list[str]:
    if value is _MISSING:
        return []
    return yaml_text(value).split("\n")
