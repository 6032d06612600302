"""What an answer of the API server must look like before anything is read from it.

Each function takes a body, returns what is in it, and raises `ValueError` where it is nothing that
was asked for: then something else has answered, such as a proxy, and may not do so next time.
"""

import json
from typing import Any

from backends.kube.errors import is_of_api

JsonObject = dict[str, Any]


def anything(body: bytes) -> JsonObject:
    """Return an object of the Kubernetes API, whatever it is."""
    decoded = _decoded(body)
    if not is_of_api(decoded):
        raise ValueError("it is no object of the Kubernetes API")
    found: JsonObject = decoded
    return found


def an_object(body: bytes) -> JsonObject:
    """Return one stored object, with its name and its version."""
    found = anything(body)
    _check_stored(found)
    return found


def a_list(body: bytes) -> JsonObject:
    """Return a list of stored objects in `items`, with its own `metadata`."""
    found = anything(body)
    items = found["items"] = found.get("items") or []  # an empty one may be null
    is_list = found["kind"].endswith("List") and isinstance(items, list)
    if not (is_list and isinstance(found.get("metadata"), dict)):
        raise ValueError("it is no list")
    for each in items:
        _check_stored(each)
    return found


def ok(body: bytes) -> str:
    """Return the text of a health check that is passed."""
    if body.strip() != b"ok":
        raise ValueError("it does not say that it is ready")
    return "ok"


def _check_stored(found: Any) -> None:
    metadata = found.get("metadata") if isinstance(found, dict) else None
    if not isinstance(metadata, dict) or not all(
        isinstance(metadata.get(each), str) for each in ("name", "resourceVersion")
    ):
        raise ValueError("an object has no name, or no version")


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
