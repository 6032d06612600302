"""YAML as JSON values: a safe loader, with the path of everything that JSON cannot carry.

PyYAML's parser makes the node tree; turning it into values is done here, because a constructor
has no paths, lets a repeated key win in silence, and lets aliases grow without bound.
"""

import re
import sys
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from components.configuration.json_values import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    TOO_MANY_VALUES,
)
from components.configuration.problems import (
    MAX_PROBLEMS,
    InvalidConfiguration,
    MalformedConfiguration,
    Problem,
    first_problems,
    printable,
)

# libyaml's, where it is there: some ten times as fast as the pure Python one.
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = (f"{_TAG}str", f"{_TAG}value")
_CARRIED_TAGS = (f"{_TAG}null", f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float")
_NUMBER_TAGS = (f"{_TAG}int", f"{_TAG}float")
_COLLECTION_TAGS = (f"{_TAG}map", f"{_TAG}seq")
_MERGE_TAG = f"{_TAG}merge"

# What PyYAML's constructor raises for an explicit tag on something else: `!!bool x`, `!!int ""`.
_CONSTRUCTION_ERRORS = (ValueError, KeyError, IndexError, OverflowError, yaml.MarkedYAMLError)

_ALIASES_FOLLOWED = "once its aliases are followed"

_NUMBER_LENGTH = 4300
"""How long a number may be, as Python has it: to construct one takes the square of that."""

_DIRECTIVE = re.compile("^%", re.MULTILINE)
_MAX_DIRECTIVES = 100
"""How many directives a text may have: libyaml compares each with all before it."""

# YAML 1.1, 5.1: what a text may consist of.
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_BAD_ESCAPE = "found invalid Unicode character escape code"
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
_MARK = "\uf8ff"
"""Stands, in a text that is read only to say where, for an escape that is no character."""


def read_yaml(text: str) -> tuple[Any, tuple[Problem, ...]]:
    """Return the value of a YAML document, and what of it JSON cannot carry.

    Raises `MalformedConfiguration` with the position where it is broken, and
    `InvalidConfiguration` where it, or what its aliases make of it, is too much.
    """
    if found := _NOT_ALLOWED.search(text):
        before = text[: found.start()]
        line, column = before.count("\n") + 1, found.start() - before.rfind("\n")
        raise MalformedConfiguration(
            f"not valid YAML: character U+{ord(found[0]):04X} is not allowed "
            f"at line {line}, column {column}"
        )
    if len(_DIRECTIVE.findall(text)) > _MAX_DIRECTIVES:
        raise MalformedConfiguration(
            f"not valid YAML: more than {_MAX_DIRECTIVES} lines begin with '%'"
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
    _check_events(text)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        reading = _Reading(loader, mark)
        value = reading.value(root, ()) if root is not None else None
    finally:
        loader.dispose()
    return value, tuple(reading.problems)


def _check_events(text: str) -> None:
    """Walk the events, which exhaust nothing, before anything that recurses or keeps nodes."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        values += isinstance(event, yaml.NodeEvent)
        if values > MAX_VALUES:
            raise InvalidConfiguration((Problem((), TOO_MANY_VALUES),))
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
    values: int = 0
    size: int = 0

    def value(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self._measure(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if len(path) >= MAX_DEPTH:
            raise MalformedConfiguration(
                f"nested more than {MAX_DEPTH} levels deep {_ALIASES_FOLLOWED}"
            )
        if node.tag not in _COLLECTION_TAGS:
            self._refuse(node, path)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _measure(self, node: yaml.Node) -> None:
        """Count a key or a value, whatever it is, as often as aliases refer to it.

        What is written out was counted before there were nodes.
        """
        self.values += 1
        if self.values > MAX_VALUES:
            self._too_much(TOO_MANY_VALUES)
        if isinstance(node, yaml.ScalarNode):
            self.size += len(node.value)
            if self.size > MAX_BYTES:
                self._too_much(f"is larger than {MAX_BYTES} bytes")

    def _too_much(self, message: str) -> NoReturn:
        raise InvalidConfiguration((Problem((), f"{message} {_ALIASES_FOLLOWED}"),))

    def _tell(self, path: tuple[str | int, ...], message: str) -> None:
        """Note a problem. Raises `InvalidConfiguration` where it is one too many."""
        self.problems.append(Problem(path, message))
        if len(self.problems) > MAX_PROBLEMS:
            raise InvalidConfiguration(first_problems(self.problems))

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            self._measure(key_node)
            if key_node.tag == _MERGE_TAG:
                self._merge(value_node, path, merged)
            elif not isinstance(key_node, yaml.ScalarNode):
                self._tell(path, "has a key that is a collection, not a string")
            elif key_node.tag not in _TEXT_TAGS:
                shown = printable(key_node.value)
                self._tell(path, f"has a key that is not a string, {shown}: put it in quotes")
            elif key_node.value in own:
                self._tell((*path, key_node.value), "is given more than once: keep one")
            else:
                if self.mark and self.mark in key_node.value:
                    self._tell(path, "has a key with half a surrogate pair")
                own[key_node.value] = self.value(value_node, (*path, key_node.value))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: tuple[str | int, ...], merged: dict[str, Any]) -> None:
        """Add what `<<` refers to; of several, the earlier one wins (yaml.org/type/merge)."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            # One level deeper than it stands, so that a merge of itself comes to an end.
            found = self.value(source, (*path, "<<"))
            if isinstance(found, dict):
                for key, item in found.items():
                    merged.setdefault(key, item)
            elif not isinstance(source, yaml.MappingNode):
                self._tell((*path, "<<"), "must refer to a mapping")

    def _scalar(self, node: yaml.ScalarNode, path: tuple[str | int, ...]) -> Any:
        if node.tag in _TEXT_TAGS:
            if self.mark and self.mark in node.value:
                self._tell(path, "holds half a surrogate pair")
            return node.value
        if node.tag in _NUMBER_TAGS and len(node.value) > _NUMBER_LENGTH:
            self._tell(path, "must be a number of fewer digits")
            return None
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
        self._tell(path, f"is a YAML {printable(kind)[1:-1]}, which JSON cannot carry{hint}")
