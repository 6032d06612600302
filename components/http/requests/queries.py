"""The fields of query parameters: they parse text, and have error messages of our own."""

from typing import Any

from marshmallow import ValidationError, fields, validate

from components.configuration.problems import printable


class Seconds(fields.Float):
    """A time in seconds, from 0 to `maximum`."""

    def __init__(self, *, maximum: float, **kwargs: Any) -> None:
        # For the OpenAPI document.
        super().__init__(validate=validate.Range(0, maximum), **kwargs)
        self._maximum = maximum

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> float:
        try:
            seconds = super()._deserialize(value, *args, **kwargs)
        except ValidationError:
            seconds = None
        if seconds is None or not 0 <= seconds <= self._maximum:
            must_be = f"must be a number of seconds from 0 to {self._maximum:g}"
            raise ValidationError(f"{must_be}, not {printable(value)}")
        return seconds


class Switch(fields.Boolean):
    """true or false, or one of the synonyms that marshmallow accepts."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        try:
            switch: bool = super()._deserialize(value, *args, **kwargs)  # type: ignore[no-untyped-call]
        except ValidationError:
            raise ValidationError(f"must be true or false, not {printable(value)}") from None
        return switch
