"""YAML as JSON values: a safe loader, with the path of everything that JSON cannot carry.

PyYAML's parser makes the node tree; turning it into values is done here, because a constructor
has no paths, lets a repeated key win in silence, and lets aliases grow without bound.
"""

import re
import sys
from dataclasses import dataclass, field
from typing import Any

import yaml

from components.configuration.json_values import MAX_BYTES, MAX_DEPTH
from components.configuration.problems import (
    InvalidConfiguration,
    MalformedConfiguration,
    Problem,
    printable,
)

# libyaml's, where it is there: some ten times as fast as the pure Python one.
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = (f"{_TAG}str", f"{_TAG}value")
_CARRIED_TAGS = (f"{_TAG}null", f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float")
_COLLECTION_TAGS = (f"{_TAG}map", f"{_TAG}seq")
_MERGE_TAG = f"{_TAG}merge"

# What PyYAML's constructor raises for an explicit tag on something else: `!!bool x`, `!!int ""`.
_CONSTRUCTION_ERRORS = (ValueError, KeyError, IndexError, OverflowError, yaml.MarkedYAMLError)

# YAML 1.1, 5.1: what a text may consist of.
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_BAD_ESCAPE = "found invalid Unicode character escape code"
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
_MARK = "\uf8ff"
"""Stands, in a text that is read only to say where, for an escape that is no character."""


def read_yaml(text: str) -> tuple[Any, tuple[Problem, ...]]:
    """Return the value of a YAML document, and what of it JSON cannot carry.

    Raises `MalformedConfiguration` with the position where it is broken, and
    `InvalidConfiguration` where its aliases make too much of it.
    """
    if found := _NOT_ALLOWED.search(text):
        before = text[: found.start()]
        line, column = before.count("\n") + 1, found.start() - before.rfind("\n")
        raise MalformedConfiguration(
            f"not valid YAML: character U+{ord(found[0]):04X} is not allowed "
            f"at line {line}, column {column}"
        )
    try:
        return _read(text, mark=None)
    except yaml.MarkedYAMLError as error:
        if error.problem != _BAD_ESCAPE:
            raise _malformed(error) from None
    # libyaml stops at half a surrogate pair; with a mark in its place, its path can be told.
    try:
        return _read(_ESCAPE.sub(_marked, text), _MARK)
    except yaml.MarkedYAMLError as error:
        raise _malformed(error) from None


def _marked(escape: re.Match[str]) -> str:
    code = int(escape[1][1:], 16)
    is_character = code <= sys.maxunicode and not 0xD800 <= code <= 0xDFFF  # noqa: PLR2004
    return escape[0] if is_character else f"\\u{ord(_MARK):04x}"


def _malformed(error: yaml.MarkedYAMLError) -> MalformedConfiguration:
    where = _position(error.problem_mark or error.context_mark)
    return MalformedConfiguration(f"not valid YAML: {error.problem or error.context}{where}")


def _position(mark: Any) -> str:
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _read(text: str, mark: str | None) -> tuple[Any, tuple[Problem, ...]]:
    _check_depth(text)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        reading = _Reading(loader, mark)
        value = reading.value(root, ()) if root is not None else None
    finally:
        loader.dispose()
    return value, tuple(reading.problems)


def _check_depth(text: str) -> None:
    """Walk the events, which no nesting can exhaust, before anything that recurses."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                where = _position(event.start_mark)
                raise MalformedConfiguration(f"nested more than {MAX_DEPTH} levels deep{where}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


@dataclass(slots=True)
class _Reading:
    """One walk over a node tree: what it has found to be wrong, and how much it has read.

    `mark`, if there is one, is what stands for an escape that is no character.
    """

    loader: Any
    mark: str | None
    problems: list[Problem] = field(default_factory=list)
    size: int = 0

    def value(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        if isinstance(node, yaml.CollectionNode) and len(path) >= MAX_DEPTH:
            raise MalformedConfiguration(
                f"nested more than {MAX_DEPTH} levels deep once its aliases are followed"
            )
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTION_TAGS:
            self._refuse(node, path)
            return None
        if isinstance(node, yaml.MappingNode):
            self._measure(1)
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._measure(1)
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        self._measure(1 + len(node.value))
        return self._scalar(node, path)

    def _measure(self, size: int) -> None:
        """Count what has been read, aliases as often as they stand for something."""
        self.size += size
        if self.size > MAX_BYTES:
            message = f"is larger than {MAX_BYTES} bytes once its aliases are followed"
            raise InvalidConfiguration((Problem((), message),))

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE_TAG:
                self._merge(value_node, path, merged)
            elif not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(path, "has a key that is a collection, not a string"))
            elif key_node.tag not in _TEXT_TAGS:
                shown = printable(key_node.value)
                self.problems.append(
                    Problem(path, f"has a key that is not a string, {shown}: put it in quotes")
                )
            elif key_node.value in own:
                self.problems.append(
                    Problem((*path, key_node.value), "is given more than once: keep one")
                )
            else:
                self._measure(len(key_node.value))
                if self.mark and self.mark in key_node.value:
                    self.problems.append(Problem(path, "has a key with half a surrogate pair"))
                own[key_node.value] = self.value(value_node, (*path, key_node.value))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: tuple[str | int, ...], merged: dict[str, Any]) -> None:
        """Add what `<<` refers to; of several, the earlier one wins (yaml.org/type/merge)."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                self.problems.append(Problem((*path, "<<"), "must refer to a mapping"))
                continue
            # One level deeper than it stands, so that a merge of itself comes to an end.
            for key, item in self.value(source, (*path, "<<")).items():
                merged.setdefault(key, item)

    def _scalar(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        if node.tag in _TEXT_TAGS:
            if self.mark and self.mark in node.value:
                self.problems.append(Problem(path, "holds half a surrogate pair"))
            return node.value
        if node.tag in _CARRIED_TAGS:
            try:
                return self.loader.construct_object(node)
            except _CONSTRUCTION_ERRORS:
                pass
        self._refuse(node, path)
        return None

    def _refuse(self, node: yaml.Node, path: tuple[str | int, ...]) -> None:
        kind = node.tag.removeprefix(_TAG)
        quoted = isinstance(node, yaml.ScalarNode)
        hint = f": put {printable(node.value)} in quotes" if quoted else ""
        message = f"is a YAML {printable(kind)[1:-1]}, which JSON cannot carry{hint}"
        self.problems.append(Problem(path, message))
