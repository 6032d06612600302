"""Fields that responses share."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any

from marshmallow import fields


class Time(fields.AwareDateTime):
    """A time in UTC, always with microseconds, so that the text sorts by time."""

    def _serialize(self, value: datetime | None, *args: Any, **kwargs: Any) -> str | None:
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value else None


class Status(fields.Enum):
    """A value of an enumeration."""

    def __init__(self, words: type[Enum], **options: Any) -> None:
        metadata = {"type": "string"}
        super().__init__(words, by_value=True, required=True, metadata=metadata, **options)
