"""What the annotations of an object tell: what it was made of, and by which request.

All of it is on the object, and nothing of it in a pod template: so the same wanted state always is
the same ReplicaSet. `content` is what was applied. It is kept, with that of the state before, since
the operator's template or this service may be another one by the time it is applied again.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from types import NoneType
from typing import Any, get_args, get_type_hints

from backends.runners.base import Fence, Origin, RunSpec, Wanted
from backends.runners.kubernetes.kinds import Json

DOMAIN = "components-api"
_DEPLOYMENT, _COMMIT = f"{DOMAIN}/deployment", f"{DOMAIN}/commit"
_FENCE, _HASH, _STARTED = f"{DOMAIN}/fence", f"{DOMAIN}/hash", f"{DOMAIN}/started"
_WANTED, _APPLIED, _BEFORE = f"{DOMAIN}/wanted", f"{DOMAIN}/applied", f"{DOMAIN}/before"
REVISION = f"{DOMAIN}/revision"
"""The one annotation of a pod template: a different one starts the pods anew."""

_TYPES = {name: get_args(hint) or (hint,) for name, hint in get_type_hints(RunSpec).items()}
_REQUIRED = {"command"}


@dataclass(frozen=True, slots=True)
class Made:
    """What was applied for a wanted state, and when that was started."""

    wanted: Wanted
    content: Json
    started: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """What an object is, what it was before, and the request that has made it so."""

    made: Made
    origin: Origin
    fence: Fence
    before: Made | None = None

    @property
    def hash(self) -> str:
        """Names what is applied, whatever the request."""
        return _hash(_wanted_json(self.made.wanted), self.made.content, _made_json(self.before))


def annotations_of(record: Record) -> dict[str, str]:
    """Return a record as annotations."""
    annotations = {
        _DEPLOYMENT: record.origin.deploy_id,
        _FENCE: str(record.fence),
        _HASH: record.hash,
        _STARTED: record.made.started.isoformat(),
        _WANTED: _text(_wanted_json(record.made.wanted)),
        _APPLIED: _text(record.made.content),
    }
    if record.origin.commit is not None:
        annotations[_COMMIT] = record.origin.commit
    if record.before is not None:
        annotations[_BEFORE] = _text(_made_json(record.before))
    return annotations


def record_of(found: Json) -> Record | None:
    """Return the record of an object; None where somebody has made it unreadable."""
    told = found["metadata"].get("annotations") or {}
    try:
        made = {
            "wanted": json.loads(told[_WANTED]),
            "content": json.loads(told[_APPLIED]),
            "started": told[_STARTED],
        }
        before = json.loads(told[_BEFORE]) if _BEFORE in told else None
        if told[_HASH] != _hash(made["wanted"], made["content"], before):
            return None
        fence = Fence.parse(told[_FENCE])
        origin = Origin(told[_DEPLOYMENT], told.get(_COMMIT))
        if fence is None:
            return None
        return Record(_made(made), origin, fence, None if before is None else _made(before))
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def fence_of(found: Json) -> Fence | None:
    """Return the fence of an object, also where the rest of its record is unreadable."""
    return Fence.parse((found["metadata"].get("annotations") or {}).get(_FENCE, ""))


def size_of(wanted: Wanted) -> int:
    """Return how many bytes of annotations a wanted state takes."""
    return len(_text(_wanted_json(wanted)).encode("utf-8", "replace"))


def _wanted_json(wanted: Wanted) -> Json:
    spec = {name: value for name, value in asdict(wanted.spec).items() if value is not None}
    return {"image": wanted.image, "revision": wanted.revision, "spec": spec}


def _made_json(made: Made | None) -> Json | None:
    if made is None:
        return None
    return {
        "wanted": _wanted_json(made.wanted),
        "content": made.content,
        "started": made.started.isoformat(),
    }


def _made(told: Any) -> Made:
    """Raises `KeyError`, `TypeError` or `ValueError` where it is none."""
    wanted, content = told["wanted"], told["content"]
    image, revision, spec = wanted["image"], wanted["revision"], wanted["spec"]
    if not (isinstance(image, str) and isinstance(revision, str) and isinstance(content, dict)):
        raise TypeError("it is no record")
    names = {each.name for each in fields(RunSpec)}
    if not _REQUIRED <= spec.keys() <= names or not all(
        _is_of(value, _TYPES[name]) for name, value in spec.items()
    ):
        raise TypeError("it is no run part")
    started = datetime.fromisoformat(told["started"])
    if started.tzinfo is None:
        raise ValueError("a time has no time zone")
    return Made(Wanted(image, RunSpec(**spec), revision), content, started)


def _is_of(value: Any, types: tuple[type, ...]) -> bool:
    return type(value) in types and type(value) is not NoneType


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _hash(*parts: Any) -> str:
    return hashlib.sha256(_text(parts).encode("utf-8", "replace")).hexdigest()[:32]
