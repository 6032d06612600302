"""Marshmallow fields that take a value as it is or refuse it, in words a maintainer can act on.

Marshmallow's own would read "yes" as true and "80" as 80; a configuration is kept as it was
given, so what is accepted must already be what it says.
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

# Stars, numbers, lists, ranges and steps, and the three letters of a month or a weekday.
_CRON_FIELD = r"([0-9*,/-]|[A-Za-z]{3})+"
_SCHEDULE = (
    r"(@(hourly|daily|midnight|weekly|monthly|yearly|annually)"
    rf"|\s*{_CRON_FIELD}(\s+{_CRON_FIELD}){{4}}\s*)"
)
_REPOSITORY = r"(https?|git)://[^\s\x00-\x20\x7f-\x9f@/?#\\]+([/?#][^\s\x00-\x20\x7f-\x9f]*)?"
_ANY_TIME = datetime(2024, 1, 1, tzinfo=UTC)


def _messages(must_be: str) -> dict[str, str]:
    return {
        "invalid": must_be,
        "null": "must not be null: leave it out instead",
        "required": f"is required, and {must_be}",
    }


class _Given(fields.Field):
    """A field that is given, or left out if it may be: null is neither."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.required:
            self.error_messages["null"] = f"{self.error_messages['invalid']}, not null"


class Text(_Given, fields.String):
    """A string, of at most `maximum` characters if that is given."""

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


class Flag(_Given, fields.Boolean):
    """true or false, and nothing that looks like it."""

    default_error_messages = _messages("must be true or false")

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(f"must be true or false, not {printable(value)}")
        return value


class WholeNumber(_Given, fields.Integer):
    """A whole number between two bounds, both included."""

    default_error_messages = _messages("must be a whole number")

    def __init__(self, *, minimum: int, maximum: int | None = None, **kwargs: Any) -> None:
        upper = f" to {maximum}" if maximum is not None else " or more"
        self._must_be = f"must be a whole number, {minimum}{upper}"
        self._bounds = range(minimum, sys.maxsize if maximum is None else maximum + 1)
        # What is published of it.
        bounds = validate.Range(minimum, maximum)
        super().__init__(strict=True, validate=bounds, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value not in self._bounds:
            raise ValidationError(f"{self._must_be}, not {printable(value)}")
        return value


class Mapping(_Given, fields.Dict):
    """A mapping of `minimum` to `maximum` names to values, which are counted as `what`."""

    default_error_messages = _messages("must be a mapping")

    def __init__(self, *, minimum: int, maximum: int, what: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._bounds, self._what = (minimum, maximum), what
        self.metadata = {**self.metadata, "minProperties": minimum, "maxProperties": maximum}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        minimum, maximum = self._bounds
        # Before any of them is looked at, or many would take long.
        if isinstance(value, dict) and not minimum <= len(value) <= maximum:
            raise ValidationError(
                f"must have {minimum} to {maximum} {self._what}, not {len(value)}"
            )
        return super()._deserialize(value, *args, **kwargs)  # type: ignore[no-untyped-call]


class OneOf(validate.OneOf):
    """One of a few strings; `told` are those that a message names, if they are not the same."""

    def __init__(self, choices: Iterable[str], accepted: Iterable[str] = ()) -> None:
        super().__init__(tuple(choices))
        self._told = tuple(accepted) or self.choices

    def __call__(self, value: Any) -> Any:
        """Return `value`. Raises `ValidationError` with the choices."""
        if value in self.choices:
            return value
        choices = " or ".join(printable(choice) for choice in self._told)
        raise ValidationError(f"must be {choices}, not {printable(value)}")


class Pattern(validate.Regexp):
    """The whole of a string matches; the same expression is published, so ECMA 262 must read it.

    `secret` keeps the value itself out of the message.
    """

    def __init__(self, expression: str, must_be: str, *, secret: bool = False) -> None:
        super().__init__(f"^{expression}$")
        self._whole = re.compile(expression)
        self._must_be = must_be
        self._secret = secret

    def __call__(self, value: Any) -> Any:
        """Return `value`. Raises `ValidationError` with what it must be."""
        # Not `match` with `$`, which would let a line end pass.
        if self._whole.fullmatch(value):
            return value
        shown = "" if self._secret else f", not {printable(value)}"
        raise ValidationError(f"must be {self._must_be}{shown}")


class RepositoryUrl(Pattern):
    """A URL to fetch a repository from. What is wrong is not repeated: it may hold a password."""

    def __init__(self) -> None:
        must_be = "an http, https or git URL with a host and without user information"
        super().__init__(_REPOSITORY, must_be, secret=True)

    def __call__(self, value: Any) -> Any:
        """Return `value`. Raises `ValidationError` with what it must be."""
        super().__call__(value)
        try:
            parts = urlsplit(value)
            complete = bool(parts.hostname) and parts.port != 0
        except ValueError:
            complete = False
        if not complete:
            raise ValidationError("must be a URL whose host, and port if it has one, are valid")
        return value


class CronSchedule(Pattern):
    """Five cron fields, read as cron reads them, or one of cron's words."""

    def __init__(self) -> None:
        super().__init__(
            _SCHEDULE,
            "five cron fields (minute, hour, day, month, weekday) or one of "
            "@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually",
        )

    def __call__(self, value: Any) -> Any:
        """Return `value`. Raises `ValidationError` with the field that is wrong."""
        super().__call__(value)
        if value.startswith("@"):
            return value
        try:
            # Only the fields are of interest; the time is where a search would begin.
            CronSim(value, _ANY_TIME)
        except CronSimError as error:
            problem = str(error).replace("Bad ", "has a bad ")
            raise ValidationError(f"{problem}: {printable(value)}") from None
        return value
