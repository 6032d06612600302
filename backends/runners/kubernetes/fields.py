"""Who has set what of an object: its `managedFields`, as server-side apply keeps them.

kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from backends.runners.kubernetes.kinds import MANAGER, RESTARTED_AT, RESTARTER, Json
from backends.runners.kubernetes.record import Record

_NOBODY_ELSE = (MANAGER, RESTARTER, "kube-controller-manager")
_MAX_TOLD = 10
_ITSELF = "."


def drift_of(kind: str, found: Json, record: Record | None) -> tuple[str, ...]:
    """Return what somebody has changed of an object since it was applied, each with its path."""
    what = f"{kind.lower()} {found['metadata']['name']}"
    if record is None:
        return (f"{what}: metadata.annotations",)
    told = [
        f"{what}: {path} ({entry.get('manager')})"
        for entry in _entries(found)
        if _is_foreign(entry)
        for path in _paths(_changed(entry, record.made.content))
    ]
    told += [f"{what}: {path} (removed)" for path in _missing(record.made.content, found)]
    if len(told) > _MAX_TOLD:
        told[_MAX_TOLD - 1 :] = [f"{what}: {len(told) - _MAX_TOLD + 1} more"]
    return tuple(told)


def claimed(found: Json, record: Record | None) -> list[Json] | None:
    """Return the managedFields with which this service has set what others have; None if none did.

    What is then applied takes away what they have added, and not only what they have changed.
    """
    entries = _entries(found)
    ours = next((each for each in entries if _is_applied(each)), None)
    content = record.made.content if record else {}
    if ours is None or not any(_is_foreign(each) and _changed(each, content) for each in entries):
        return None
    fields: Json = ours["fieldsV1"]
    kept = []
    for each in entries:
        theirs = each.get("fieldsV1") or {}
        taken = _changed(each, content) if _is_foreign(each) else {}
        fields = _union(fields, taken)
        if each is not ours and (rest := _without(theirs, taken)):
            kept.append({**each, "fieldsV1": rest})
    return [{**ours, "fieldsV1": fields}, *kept]


def adoption(found: Json) -> list[Json] | None:
    """Return the JSON Patch that makes an object that was created one that was applied.

    None where it is one. Without it, what is no longer applied would stay: its creation has set it.
    """
    entries = _entries(found)
    if any(map(_is_applied, entries)):
        return None
    for number, entry in enumerate(entries):
        if entry.get("manager") == MANAGER and not entry.get("subresource"):
            path = f"/metadata/managedFields/{number}"
            return [
                {"op": "test", "path": f"{path}/manager", "value": MANAGER},
                {"op": "test", "path": f"{path}/operation", "value": entry["operation"]},
                {"op": "replace", "path": f"{path}/operation", "value": "Apply"},
            ]
    return None


def _entries(found: Json) -> list[Json]:
    return found["metadata"].get("managedFields") or []


def _is_applied(entry: Json) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == "Apply"


def _is_foreign(entry: Json) -> bool:
    return entry.get("manager") not in _NOBODY_ELSE and entry.get("subresource") != "status"


def _changed(entry: Json, content: Json) -> Json:
    """Return what an entry has of the spec, and of the annotations that were applied."""
    fields = entry.get("fieldsV1") or {}
    spec = _without(fields.get("f:spec") or {}, _RESTART)
    ours = (content.get("metadata") or {}).get("annotations") or {}
    theirs = (fields.get("f:metadata") or {}).get("f:annotations") or {}
    annotations = {key: each for key, each in theirs.items() if key.removeprefix("f:") in ours}
    found: Json = {}
    if any(key != _ITSELF for key in spec):
        found["f:spec"] = spec
    if annotations:
        found["f:metadata"] = {"f:annotations": annotations}
    return found


_RESTART: Json = {
    "f:template": {"f:metadata": {"f:annotations": {_ITSELF: {}, f"f:{RESTARTED_AT}": {}}}}
}


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> Json:
    return {key: _union(one.get(key, {}), other.get(key, {})) for key in {**one, **other}}


def _without(fields: Mapping[str, Any], taken: Mapping[str, Any]) -> Json:
    """Return fields without the leaves of others; what is empty then is left out."""
    kept: Json = {}
    for key, each in fields.items():
        if key not in taken:
            kept[key] = each
        elif taken[key] and (rest := _without(each, taken[key])):
            kept[key] = rest
    return kept


def _paths(fields: Mapping[str, Any], path: str = "") -> Iterator[str]:
    if path and (not fields or (_ITSELF in fields and path.endswith("]"))):
        yield path
        return
    for key, each in fields.items():
        if key == _ITSELF:
            continue
        yield from _paths(each, _joined(path, key))


def _joined(path: str, key: str) -> str:
    sort, _, name = key.partition(":")
    if sort == "f":
        return f"{path}.{name}".lstrip(".")
    if sort == "k":
        name = ",".join(str(each) for each in json.loads(name).values())
    return f"{path}[{name}]"


def _missing(content: Any, found: Any, path: str = "") -> Iterator[str]:
    """Yield what was applied and is not there. A value that is empty may be left out."""
    if isinstance(content, dict):
        there = found if isinstance(found, dict) else {}
        for key, each in content.items():
            inner = f"{path}.{key}".lstrip(".")
            if key in there:
                yield from _missing(each, there[key], inner)
            elif each not in ({}, [], "", 0, None):
                yield inner
    elif isinstance(content, list):
        items = found if isinstance(found, list) else []
        for number, each in enumerate(content[: len(items)]):
            yield from _missing(each, items[number], f"{path}[{number}]")
        if len(items) < len(content):
            yield f"{path}[{len(items)}]"
