"""What differs between two configurations, component by component."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import unified_diff
from enum import StrEnum
from typing import Any

from components.cli.text import yaml_text
from components.configuration.problems import path_text

_CONTEXT_LINES = 2
_COMPARED_LINES = 1000
_STYLES = {"+": "green", "-": "red"}
_NOTHING = object()


class Change(StrEnum):
    """What becomes of a part of a configuration."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """A component, or another part, that differs: where, how, and its lines as `diff` has them."""

    where: str
    change: Change
    lines: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    def as_lines(self) -> list[tuple[str, str]]:
        """Return it as people see it: lines, each with its style."""
        shown = [(f"  {line}", _STYLES.get(line[:1], "")) for line in self.lines]
        return [(f"{self.where}: {self.change}", "bold"), *shown]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Return what is different in `new`: each component that is, and each other key."""
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
    return [(name, (old.get(name, _NOTHING), new.get(name, _NOTHING))) for name in names]


def _difference(where: str, old: object, new: object) -> Difference | None:
    if old == new:
        return None
    change = Change.ADDED if old is _NOTHING else Change.CHANGED
    change = Change.REMOVED if new is _NOTHING else change
    return Difference(where, change, tuple(_compared(_lines(old), _lines(new))))


def _compared(old: list[str], new: list[str]) -> list[str]:
    """Return what `diff` says of lines; of very many, whose comparison takes long, all of them."""
    if max(len(old), len(new)) > _COMPARED_LINES:
        return [f"-{line}" for line in old] + [f"+{line}" for line in new]
    lines = unified_diff(old, new, n=_CONTEXT_LINES, lineterm="")
    # The first two name files, and those with @@ lines of files.
    return [line for line in list(lines)[2:] if not line.startswith("@@")]


def _lines(value: object) -> list[str]:
    if value is _NOTHING:
        return []
    return yaml_text(value).split("\n")
