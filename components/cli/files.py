"""The file of a configuration on the command line: read at once and never more than is allowed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from components.configuration.json_values import MAX_BYTES
from components.configuration.problems import InvalidConfiguration, Problem
from components.configuration.reading import Format, read


@dataclass(frozen=True, slots=True)
class GivenFile:
    """What a file says, and in what it is written. Of one that is too large there is no more."""

    body: bytes
    format: Format

    def value(self) -> Any:
        """Return the value. Raises `MalformedConfiguration` and `InvalidConfiguration`."""
        if len(self.body) > MAX_BYTES:
            message = f"is too large: it has at most {MAX_BYTES} bytes"
            raise InvalidConfiguration((Problem((), message),))
        return read(self.body, self.format)


class ConfigurationFile(click.File):
    """A YAML file, or JSON if its name ends so; `-` is standard input, in either."""

    def __init__(self) -> None:
        super().__init__("rb")

    def convert(  # type: ignore[override]
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> GivenFile:
        """Return the file, read. Raises `click.BadParameter` where that is not possible."""
        try:
            with super().convert(value, param, ctx) as file:
                body = file.read(MAX_BYTES + 1)
        except OSError as error:
            self.fail(f"{str(value)!r}: {error.strerror}", param, ctx)
        name = str(value)
        is_json = _is_json(body) if name == "-" else Path(name).suffix.lower() == ".json"
        return GivenFile(body, Format.JSON if is_json else Format.YAML)


def _is_json(body: bytes) -> bool:
    """Whether a text is JSON, of which YAML would read some numbers and escapes otherwise."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
