"""A tool's queue as a stored document, and back."""

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load

from backends.stores.base import Corrupt, Document, JsonObject
from components.engine.errors import MadeByNewer
from components.engine.queue.state import Entry, KeyRecord, Queue

QUEUE = "queue"
"""The kind, and the name, of a tool's one queue."""

FORM = 1
"""The form that this version writes; see `documents`."""


class _Stored(Schema):
    class Meta:
        unknown = EXCLUDE


class _StoredEntry(_Stored):
    deploy_id = fields.String(data_key="deploy-id", required=True)
    since = fields.AwareDateTime(required=True)

    @post_load
    def _entry(self, data: dict[str, Any], **_: Any) -> Entry:
        return Entry(**data)


class _StoredKey(_Stored):
    deploy_id = fields.String(data_key="deploy-id", required=True)
    asked = fields.String(required=True)
    since = fields.AwareDateTime(required=True)

    @post_load
    def _key(self, data: dict[str, Any], **_: Any) -> KeyRecord:
        return KeyRecord(**data)


class _StoredQueue(_Stored):
    form = fields.Integer(load_default=FORM)
    entries = fields.List(fields.Nested(_StoredEntry), required=True)
    keys = fields.Dict(keys=fields.String(), values=fields.Nested(_StoredKey), required=True)
    rollout = fields.Nested(_StoredEntry, load_default=None, allow_none=True)


_QUEUE_SCHEMA = _StoredQueue()


def queue_data(queue: Queue, replaced: Mapping[str, Any] | None = None) -> JsonObject:
    """Return a queue as a document's data.

    Fields of the `replaced` data that this version does not know are preserved. Raises
    `MadeByNewer` where their form is newer than this version's.
    """
    data: JsonObject = {"form": FORM, **_QUEUE_SCHEMA.dump(queue)}
    if replaced is None:
        return data
    if replaced.get("form", FORM) > FORM:
        raise MadeByNewer(QUEUE)
    entries = {each["deploy-id"]: each for each in replaced["entries"]}
    data["entries"] = [{**entries.get(each["deploy-id"], {}), **each} for each in data["entries"]]
    keys = replaced["keys"]
    data["keys"] = {key: {**keys.get(key, {}), **each} for key, each in data["keys"].items()}
    return {**replaced, **data}


def queue_of(document: Document) -> Queue:
    """Return the queue in a document. Raises `Corrupt` where it is not one."""
    try:
        found = _QUEUE_SCHEMA.load(document.data)
    except ValidationError as error:
        reason = f"is not a queue: {error}"
        raise Corrupt(document.tool, document.kind, document.name, reason) from None
    return Queue(tuple(found["entries"]), found["keys"], found["rollout"])
