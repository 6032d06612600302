"""Templates of the operator's, for whatever backend: YAML files with placeholders in their strings.

Placeholders are put in after the YAML was read, so what they stand for is a part of one string and
nothing else. `$${` is a `${` that stays.
"""

import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from marshmallow import Schema, ValidationError

_PLACEHOLDER = re.compile(r"\$(\$\{)|\$\{([^}]*)\}")


class BadTemplate(Exception):
    """A template cannot be used; the message is one line with the path of what is wrong."""


def template_text(name: str, package: str, shipped: Collection[str]) -> str:
    """Return the text of a file, or of the template of that name if a package ships it.

    Raises `BadTemplate`.
    """
    if not name:
        raise BadTemplate(f"no template is named: a file, or {' or '.join(shipped)}")
    try:
        if name in shipped:
            return (files(package) / "templates" / f"{name}.yaml").read_text(encoding="utf-8")
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        known = " and ".join(shipped)
        raise BadTemplate(f"{name} cannot be read: {reason}; {known} are shipped") from None


def loaded(text: str, schema: Schema) -> dict[str, Any]:
    """Return what a schema reads in a YAML text. Raises `BadTemplate`."""
    try:
        found: dict[str, Any] = schema.load(yaml.safe_load(text) or {})
    except yaml.YAMLError as error:
        raise BadTemplate(f"it is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise BadTemplate(_first_problem(error.normalized_messages())) from None  # type: ignore[no-untyped-call]
    return found


def filled(template: Any, values: Mapping[str, str], path: str = "") -> Any:
    """Return a template with the values of its placeholders.

    Raises `BadTemplate`, with the path under `path`, for one that has no value.
    """

    def value(name: str) -> str:
        if name in values:
            return values[name]
        near = get_close_matches(name, values, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(values))}"
        raise BadTemplate(f"there is no placeholder {name!r}: {hint}")

    return _filled(template, value, path)


def _filled(template: Any, value: Callable[[str], str], path: str) -> Any:
    if isinstance(template, Mapping):
        return {k: _filled(each, value, f"{path}.{k}") for k, each in template.items()}
    if isinstance(template, list):
        return [_filled(each, value, f"{path}[{n}]") for n, each in enumerate(template)]
    if not isinstance(template, str):
        return template
    try:
        return _PLACEHOLDER.sub(lambda found: found[1] or value(found[2]), template)
    except BadTemplate as error:
        raise BadTemplate(f"{path.lstrip('.')}: {error}") from None


def _first_problem(messages: Any, path: str = "") -> str:
    while isinstance(messages, dict):
        name, messages = next(iter(messages.items()))
        path = f"{path}.{name}".lstrip(".")
    return f"{path}: {messages[0] if isinstance(messages, list) else messages}"
