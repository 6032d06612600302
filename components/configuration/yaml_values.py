"""YAML as JSON values: a safe loader, with the path of everything that JSON cannot carry.

PyYAML's parser makes the node tree; turning it into values is done here, because a constructor
has no paths, lets a repeated key win in silence, and lets aliases grow without bound.
"""

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
_MERGE_TAG = f"{_TAG}merge"

_BAD_ESCAPE = "found invalid Unicode character escape code"


def read_yaml(text: str) -> tuple[Any, tuple[Problem, ...]]:
    """Return the value of a YAML document, and what of it JSON cannot carry.

    Raises `MalformedConfiguration` with the position where it is broken, and
    `InvalidConfiguration` where its aliases make too much of it.
    """
    try:
        return _read(text, _Loader)
    except yaml.MarkedYAMLError as error:
        if error.problem != _BAD_ESCAPE:
            raise _malformed(error) from None
    except yaml.reader.ReaderError as error:
        raise _malformed_character(text, error) from None
    # libyaml stops at half a surrogate pair; the pure loader reads it, so that its path is known.
    try:
        return _read(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _malformed(error) from None


def _malformed(error: yaml.MarkedYAMLError) -> MalformedConfiguration:
    where = _position(error.problem_mark or error.context_mark)
    return MalformedConfiguration(f"not valid YAML: {error.problem or error.context}{where}")


def _position(mark: Any) -> str:
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _malformed_character(text: str, error: yaml.reader.ReaderError) -> MalformedConfiguration:
    before = text[: error.position]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return MalformedConfiguration(
        f"not valid YAML: character U+{ord(text[error.position]):04X} is not allowed "
        f"at line {line}, column {column}"
    )


def _read(text: str, loader_type: type[Any]) -> tuple[Any, tuple[Problem, ...]]:
    _check_depth(text, loader_type)
    loader = loader_type(text)
    try:
        root = loader.get_single_node()
        reading = _Reading(loader)
        value = reading.value(root, ()) if root is not None else None
    finally:
        loader.dispose()
    return value, tuple(reading.problems)


def _check_depth(text: str, loader_type: type[Any]) -> None:
    """Walk the events, which no nesting can exhaust, before anything that recurses."""
    depth = 0
    for event in yaml.parse(text, Loader=loader_type):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                where = _position(event.start_mark)
                raise MalformedConfiguration(f"nested more than {MAX_DEPTH} levels deep{where}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


@dataclass(slots=True)
class _Reading:
    """One walk over a node tree: what it has found to be wrong, and how much it has read."""

    loader: Any
    problems: list[Problem] = field(default_factory=list)
    size: int = 0

    def value(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        if isinstance(node, yaml.CollectionNode) and len(path) >= MAX_DEPTH:
            raise MalformedConfiguration(
                f"nested more than {MAX_DEPTH} levels deep once its aliases are followed"
            )
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
            elif key_node.tag not in _TEXT_TAGS:
                shown = printable(str(key_node.value))
                self.problems.append(
                    Problem(path, f"has a key that is not a string, {shown}: put it in quotes")
                )
            elif key_node.value in own:
                self.problems.append(
                    Problem((*path, key_node.value), "is given more than once: keep one")
                )
            else:
                self._measure(len(key_node.value))
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
            return node.value
        if node.tag in _CARRIED_TAGS:
            try:
                return self.loader.construct_object(node)
            except (ValueError, yaml.MarkedYAMLError):
                pass  # an explicit tag on something else, or a number of too many digits
        kind = node.tag.removeprefix(_TAG)
        self.problems.append(
            Problem(
                path,
                f"is a YAML {kind}, which JSON cannot carry: put {printable(node.value)} in quotes",
            )
        )
        return None
