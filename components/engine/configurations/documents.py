"""A tool's configuration and its history as stored documents, and back."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from backends.stores.base import Corrupt, Document, JsonObject
from components.engine.errors import MadeByNewer

CONFIGURATION = "config"
"""The kind, and the name, of a tool's one configuration."""

HISTORY = "config-history"
"""The kind of a configuration that was replaced or deleted."""

FORM = 1
"""The form that this version writes; see `documents`."""

_NO_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a configuration was fetched from, and which version it is, as far as the host says."""

    url: str
    commit: str | None = None
    etag: str | None = None

    @property
    def version(self) -> str:
        """The version, for people."""
        if self.commit:
            return f"commit {self.commit}"
        return f"ETag {self.etag}" if self.etag else "of an unknown version"


@dataclass(frozen=True)
class Configuration:
    """A configuration exactly as it was sent or fetched, and when it was stored, in UTC.

    `stored` is None where version 0.1 stored it, which did not record the time. `origin` is None
    where a client sent it.
    """

    value: Any
    stored: datetime | None
    origin: Origin | None = None

    @property
    def source_url(self) -> str | None:
        """Where each deployment fetches the configuration from, if this one is valid.

        It is where this one came from, or else what it says.
        """
        if self.origin:
            return self.origin.url
        url: str | None = self.value.get("source_url")
        return url

    @cached_property
    def etag(self) -> str:
        """A hash of the value, which depends on the order of its fields too."""
        text = json.dumps(self.value, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def history_name(configuration: Configuration) -> str:
    """Return the document name of an archived configuration: deterministic, sorted by time."""
    stored = configuration.stored or _NO_TIME
    return f"{stored:%Y%m%d%H%M%S%f}-{configuration.etag}"


def configuration_data(configuration: Configuration) -> JsonObject:
    """Return a configuration as a document's data; its value is unchanged."""
    stored, origin = configuration.stored, configuration.origin
    return {
        "form": FORM,
        "config": configuration.value,
        "stored-time": stored.astimezone(UTC).isoformat() if stored else None,
        **({"fetched-from": asdict(origin)} if origin else {}),
    }


def check_form(document: Document) -> None:
    """Raise `MadeByNewer` where a document's form is newer than this version's."""
    form = document.data.get("form", FORM)
    if not isinstance(form, int) or form > FORM:
        raise MadeByNewer(document.name)


def configuration_of(document: Document) -> Configuration:
    """Return the configuration in a document. Raises `Corrupt` where it is not one."""
    try:
        stored = document.data.get("stored-time")
        time = datetime.fromisoformat(stored).astimezone(UTC) if stored else None
        origin = document.data.get("fetched-from")
        return Configuration(document.data["config"], time, _origin_of(origin) if origin else None)
    except (KeyError, TypeError, ValueError):
        reason = "is not a configuration"
        raise Corrupt(document.tool, document.kind, document.name, reason) from None


def _origin_of(data: JsonObject) -> Origin:
    return Origin(data["url"], data.get("commit"), data.get("etag"))
