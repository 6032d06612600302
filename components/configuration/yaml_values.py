"""YAML as JSON values: a safe loader, with the path of each value that JSON cannot represent.

PyYAML's parser creates the node tree. It is converted to values here, because PyYAML's constructors
know no paths, silently accept duplicate keys, and expand aliases without limit.
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

# libyaml's loader if available: some ten times as fast as the pure Python one.
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = (f"{_TAG}str", f"{_TAG}value")
_SCALAR_TAGS = (f"{_TAG}null", f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float")
_NUMBER_TAGS = (f"{_TAG}int", f"{_TAG}float")
_COLLECTION_TAGS = (f"{_TAG}map", f"{_TAG}seq")
_MERGE_TAG = f"{_TAG}merge"

# The errors of PyYAML's constructor for a tag that does not fit its value: `!!bool x`, `!!int ""`.
_CONSTRUCTION_ERRORS = (ValueError, KeyError, IndexError, OverflowError, yaml.MarkedYAMLError)

_WITH_ALIASES = "when its aliases are expanded"

_MAX_NUMBER_LENGTH = 4300
"""The maximum length of a number, as in Python, because conversion takes quadratic time."""

_DIRECTIVE = re.compile("^%", re.MULTILINE)
_MAX_DIRECTIVES = 100
"""How many directives a text may have; libyaml compares each one with all before it."""

# YAML 1.1, 5.1: the characters that are not allowed.
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_BAD_ESCAPE = "found invalid Unicode character escape code"
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
_MARK = "\uf8ff"
"""Replaces invalid escapes in a text that is parsed again only to find their paths."""


def read_yaml(text: str) -> tuple[Any, tuple[Problem, ...]]:
    """Return the value of a YAML document, and the problems of what JSON cannot represent.

    Raises `MalformedConfiguration` with the position of a syntax error, and
    `InvalidConfiguration` if it is too large, also with its aliases expanded.
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
    # libyaml stops at a lone surrogate. Replace it by a mark, to report its path.
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
    """Check the limits with a stream of events, before anything recurses or stores nodes."""
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
    """The conversion of a node tree: its problems, and how much has been read.

    `mark` is the replacement of invalid escapes, if any.
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
                f"nested more than {MAX_DEPTH} levels deep {_WITH_ALIASES}"
            )
        if node.tag not in _COLLECTION_TAGS:
            self._reject(node, path)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]

    def _measure(self, node: yaml.Node) -> None:
        """Count a key or a value, each time that an alias refers to it.

        The text itself was counted before, with its events.
        """
        self.values += 1
        if self.values > MAX_VALUES:
            self._reject_size(TOO_MANY_VALUES)
        if isinstance(node, yaml.ScalarNode):
            self.size += len(node.value)
            if self.size > MAX_BYTES:
                self._reject_size(f"is larger than {MAX_BYTES} bytes")

    def _reject_size(self, message: str) -> NoReturn:
        raise InvalidConfiguration((Problem((), f"{message} {_WITH_ALIASES}"),))

    def _add_problem(self, path: tuple[str | int, ...], message: str) -> None:
        """Add a problem. Raises `InvalidConfiguration` once there are more than can be reported."""
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
                self._add_problem(path, "has a key that is a collection, not a string")
            elif key_node.tag not in _TEXT_TAGS:
                shown = printable(key_node.value)
                self._add_problem(
                    path, f"has a key that is not a string, {shown}: put it in quotes"
                )
            elif key_node.value in own:
                self._add_problem((*path, key_node.value), "is a duplicate key: keep one")
            else:
                if self.mark and self.mark in key_node.value:
                    self._add_problem(path, "has a key with a lone surrogate")
                own[key_node.value] = self.value(value_node, (*path, key_node.value))
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: tuple[str | int, ...], merged: dict[str, Any]) -> None:
        """Add the mappings of `<<`; earlier ones take precedence (yaml.org/type/merge)."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            # One level deeper, so that a mapping that merges itself exceeds the maximum depth.
            found = self.value(source, (*path, "<<"))
            if isinstance(found, dict):
                for key, item in found.items():
                    merged.setdefault(key, item)
            elif not isinstance(source, yaml.MappingNode):
                self._add_problem((*path, "<<"), "must refer to a mapping")

    def _scalar(self, node: yaml.ScalarNode, path: tuple[str | int, ...]) -> Any:
        if node.tag in _TEXT_TAGS:
            if self.mark and self.mark in node.value:
                self._add_problem(path, "has a lone surrogate")
            return node.value
        if node.tag in _NUMBER_TAGS and len(node.value) > _MAX_NUMBER_LENGTH:
            self._add_problem(path, "must be a number with fewer digits")
            return None
        if node.tag in _SCALAR_TAGS:
            try:
                return self.loader.construct_object(node)
            except _CONSTRUCTION_ERRORS:
                pass
        self._reject(node, path)
        return None

    def _reject(self, node: yaml.Node, path: tuple[str | int, ...]) -> None:
        kind = node.tag.removeprefix(_TAG)
        quoted = isinstance(node, yaml.ScalarNode)
        hint = f": put {printable(node.value)} in quotes" if quoted else ""
        self._add_problem(
            path, f"is a YAML {printable(kind)[1:-1]}, which JSON does not have{hint}"
        )
