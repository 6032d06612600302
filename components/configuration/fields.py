"""Strict marshmallow fields: they accept a value unchanged, or reject it with a clear message.

Marshmallow's own fields convert "yes" to true and "80" to 80. A configuration is stored unchanged,
so each value must already have the right type.
"""

import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cronsim import CronSim, CronSimError
from marshmallow import ValidationError, fields, validate

from components.configuration.problems import printable

# Stars, numbers, lists, ranges, steps, and three-letter names of months and weekdays.
_CRON_FIELD = r"([0-9*,/-]|[A-Za-z]{3})+"
_SCHEDULE = (
    r"(@(hourly|daily|midnight|weekly|monthly|yearly|annually)"
    rf"|\s*{_CRON_FIELD}(\s+{_CRON_FIELD}){{4}}\s*)"
)
_BEHIND_SCHEME = r"://[^\s\x00-\x20\x7f-\x9f@/?#\\]+([/?#][^\s\x00-\x20\x7f-\x9f]*)?"
_ANY_TIME = datetime(2024, 1, 1, tzinfo=UTC)


def _messages(must_be: str) -> dict[str, str]:
    return {
        "invalid": must_be,
        "null": "must not be null: leave it out instead",
        "required": f"is required, and {must_be}",
    }


class _NotNull(fields.Field):
    """A field that must not be null; an optional one can be left out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.required:
            self.error_messages["null"] = f"{self.error_messages['invalid']}, not null"


class Text(_NotNull, fields.String):
    """A string of at most `maximum` characters."""

    default_error_messages = _messages("must be a string")

    def __init__(self, *, maximum: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._maximum = maximum

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            hint = "" if isinstance(value, dict | list) else ": put it in quotes"
            raise ValidationError(f"must be a string, not {printable(value)}{hint}")
        if self._maximum is not None and len(value) > self._maximum:
            raise ValidationError(f"must have at most {self._maximum} characters, not {len(value)}")
        return value


class Flag(_NotNull, fields.Boolean):
    """true or false, without conversion of other values."""

    default_error_messages = _messages("must be true or false")

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(f"must be true or false, not {printable(value)}")
        return value


class WholeNumber(_NotNull, fields.Integer):
    """An integer from `minimum` to `maximum`, both inclusive."""

    default_error_messages = _messages("must be a whole number")

    def __init__(self, *, minimum: int, maximum: int | None = None, **kwargs: Any) -> None:
        upper = f" to {maximum}" if maximum is not None else " or more"
        self._must_be = f"must be a whole number, {minimum}{upper}"
        self._bounds = range(minimum, sys.maxsize if maximum is None else maximum + 1)
        # For the published schema.
        bounds = validate.Range(minimum, maximum)
        super().__init__(strict=True, validate=bounds, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value not in self._bounds:
            raise ValidationError(f"{self._must_be}, not {printable(value)}")
        return value


class Mapping(_NotNull, fields.Dict):
    """A mapping with `minimum` to `maximum` entries, which messages call `what`."""

    default_error_messages = _messages("must be a mapping")

    def __init__(self, *, minimum: int, maximum: int, what: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._bounds, self._what = (minimum, maximum), what
        self.metadata = {**self.metadata, "minProperties": minimum, "maxProperties": maximum}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        minimum, maximum = self._bounds
        # Before the entries are validated, because many entries would take long.
        if isinstance(value, dict) and not minimum <= len(value) <= maximum:
            raise ValidationError(
                f"must have {minimum} to {maximum} {self._what}, not {len(value)}"
            )
        return super()._deserialize(value, *args, **kwargs)  # type: ignore[no-untyped-call]


class OneOf(validate.OneOf):
    """One of a few strings; the error message lists `accepted` if that is given."""

    def __init__(self, choices: Iterable[str], accepted: Iterable[str] = ()) -> None:
        super().__init__(tuple(choices))
        self._accepted = tuple(accepted) or self.choices

    def __call__(self, value: Any) -> Any:
        """Return `value`. Raises `ValidationError` with the choices."""
        if value in self.choices:
            return value
        choices = " or ".join(printable(choice) for choice in self._accepted)
        raise ValidationError(f"must be {choices}, not {printable(value)}")


class Pattern(validate.Regexp):
    """A string that matches completely. The expression is published, so it must be valid ECMA 262.

    With `secret`, the error message does not have the value.
    """

    def __init__(self, expression: str, must_be: str, *, secret: bool = False) -> None:
        super().__init__(f"^{expression}$")
        self._whole = re.compile(expression)
        self._must_be = must_be
        self._secret = secret

    def __call__(self, value: Any) -> Any:
        """Return `value`. Raises `ValidationError` with the rule."""
        # Not `match` with `$`, which would accept a trailing line end.
        if self._whole.fullmatch(value):
            return value
        shown = "" if self._secret else f", not {printable(value)}"
        raise ValidationError(f"must be {self._must_be}{shown}")


class Url(Pattern):
    """A URL with one of these schemes. Errors do not repeat the value: it may hold a password."""

    def __init__(self, *schemes: str) -> None:
        names = f"{', '.join(schemes[:-1])} or {schemes[-1]}"
        must_be = f"an {names} URL with a host and without user information"
        super().__init__(f"({'|'.join(schemes)}){_BEHIND_SCHEME}", must_be, secret=True)

    def __call__(self, value: Any) -> Any:
        """Return `value`. Raises `ValidationError` with the rule."""
        super().__call__(value)
        try:
            parts = urlsplit(value)
            complete = bool(parts.hostname) and parts.port != 0
        except ValueError:
            complete = False
        if not complete:
            raise ValidationError("must be a URL with a valid host, and a valid port if any")
        return value


class CronSchedule(Pattern):
    """Five cron fields, or one of cron's nicknames such as @daily."""

    def __init__(self) -> None:
        super().__init__(
            _SCHEDULE,
            "five cron fields (minute, hour, day, month, weekday) or one of "
            "@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually",
        )

    def __call__(self, value: Any) -> Any:
        """Return `value`. Raises `ValidationError` with the invalid field."""
        super().__call__(value)
        if value.startswith("@"):
            return value
        try:
            # Only parses the fields; the start time does not matter.
            CronSim(value, _ANY_TIME)
        except CronSimError as error:
            problem = str(error).replace("Bad ", "has a bad ")
            raise ValidationError(f"{problem}: {printable(value)}") from None
        return value
