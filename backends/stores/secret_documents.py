"""Conversion of documents to Secrets and back: pure functions over raw JSON."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from backends.stores.base import Corrupt, Document, DocumentState, JsonObject, Rejected

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "components-api"
KIND = "components-api/kind"
OPEN = "components-api/open"
DATA_KEY = "document"
"""The one key of a Secret's data: `kubectl get secret -o jsonpath={.data.document} | base64 -d`."""

MAX_DATA_BYTES = 1024 * 1024
"""kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size"""

_NAMED_BY_ITSELF = "deployment"
"""Secrets of this kind have the document's own name, which is long and unique."""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The mapping of tools to namespaces: the namespace of a tool is `prefix` and its name."""

    prefix: str

    def of(self, tool: str) -> str:
        """Return the namespace of a tool."""
        return f"{self.prefix}{tool}"

    def tool(self, namespace: str) -> str | None:
        """Return the tool of a namespace; None if it does not belong to a tool."""
        if not namespace.startswith(self.prefix):
            return None
        return namespace.removeprefix(self.prefix) or None


def secret_name(kind: str, name: str) -> str:
    """Return the name of a document's Secret."""
    if kind == _NAMED_BY_ITSELF:
        return name
    return f"components-{kind}" if kind == name else f"components-{kind}-{name}"


def document_name(kind: str, secret: str) -> str:
    """Return the name of the document in a Secret of this kind and name."""
    if kind == _NAMED_BY_ITSELF:
        return secret
    own = secret.removeprefix(f"components-{kind}")
    return own.removeprefix("-") or kind


def selector(*kinds: str, open_only: bool = False) -> str:
    """Return the label selector of all documents of some kinds, or only of the open ones."""
    which = f"{KIND}={kinds[0]}" if len(kinds) == 1 else f"{KIND} in ({','.join(kinds)})"
    parts = [f"{MANAGED_BY}={MANAGER}", which]
    return ",".join([*parts, f"{OPEN}=true"] if open_only else parts)


def secret_of(
    kind: str, name: str, data: JsonObject, state: DocumentState, version: str | None = None
) -> JsonObject:
    """Return the Secret of a document; with a `version`, one that replaces only that version.

    Raises `Rejected` if it is too large, before megabytes are sent to the API server.
    """
    labels = {MANAGED_BY: MANAGER, KIND: kind}
    if state is DocumentState.OPEN:
        labels[OPEN] = "true"
    metadata: JsonObject = {"name": secret_name(kind, name), "labels": labels}
    if version is not None:
        metadata["resourceVersion"] = version
    text = json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    if len(text) > MAX_DATA_BYTES:
        raise Rejected(f"the document has {len(text)} bytes; a Secret holds {MAX_DATA_BYTES}")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": f"{MANAGER}/{kind}",
        "metadata": metadata,
        "immutable": state is DocumentState.SEALED,
        "data": {DATA_KEY: base64.b64encode(text).decode()},
    }


def document_of(tool: str, kind: str, secret: JsonObject) -> Document:
    """Return the document in a Secret. Raises `Corrupt` if this service did not write it."""
    metadata = secret["metadata"]
    name = document_name(kind, metadata["name"])
    where = f"cannot be parsed: Secret {metadata['name']!r} in {metadata['namespace']!r}"
    labels = metadata.get("labels") or {}
    if secret.get("type") != f"{MANAGER}/{kind}" or labels.get(MANAGED_BY) != MANAGER:
        raise Corrupt(tool, kind, name, f"{where} was not created by this service")
    try:
        text = base64.b64decode((secret.get("data") or {})[DATA_KEY], validate=True)
        data: Any = json.loads(text)
    except (KeyError, ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise Corrupt(tool, kind, name, f"{where} does not hold a JSON object")
    return Document(tool, kind, name, data, metadata["resourceVersion"], _state(secret, labels))


def _state(secret: JsonObject, labels: dict[str, str]) -> DocumentState:
    if secret.get("immutable"):
        return DocumentState.SEALED
    return DocumentState.OPEN if labels.get(OPEN) == "true" else DocumentState.PLAIN
