"""Validation of the API server's responses.

Each function parses a body and raises `ValueError` if it is not what was requested: then something
else has responded, such as a proxy, and a retry may succeed.
"""

import json
from typing import Any

from backends.kube.errors import is_kubernetes_object

JsonObject = dict[str, Any]


def any_object(body: bytes) -> JsonObject:
    """Return an object of the Kubernetes API, of any kind."""
    decoded = _decoded(body)
    if not is_kubernetes_object(decoded):
        raise ValueError("it is not an object of the Kubernetes API")
    found: JsonObject = decoded
    return found


def stored_object(body: bytes) -> JsonObject:
    """Return one stored object, with its name and resourceVersion."""
    found = any_object(body)
    _check_stored_object(found)
    return found


def object_list(body: bytes) -> JsonObject:
    """Return a list of stored objects in `items`, with its own `metadata`."""
    found = any_object(body)
    items = found["items"] = found.get("items") or []  # an empty list may be null
    is_list = found["kind"].endswith("List") and isinstance(items, list)
    if not (is_list and isinstance(found.get("metadata"), dict)):
        raise ValueError("it is not a list")
    for each in items:
        _check_stored_object(each)
    return found


def health_ok(body: bytes) -> str:
    """Return the text of a passed health check."""
    if body.strip() != b"ok":
        raise ValueError("it does not report that it is ready")
    return "ok"


def _check_stored_object(found: Any) -> None:
    metadata = found.get("metadata") if isinstance(found, dict) else None
    if not isinstance(metadata, dict) or not all(
        isinstance(metadata.get(each), str) for each in ("name", "resourceVersion")
    ):
        raise ValueError("an object has no name or no resourceVersion")


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
