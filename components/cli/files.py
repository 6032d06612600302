"""Configuration files on the command line: read at once, up to the maximum size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from components.configuration.json_values import MAX_BYTES
from components.configuration.problems import InvalidConfiguration, Problem
from components.configuration.reading import Format, format_of, read


@dataclass(frozen=True, slots=True)
class GivenFile:
    """The content and the format of a file. If it is too large, `body` is truncated."""

    body: bytes
    format: Format

    def value(self) -> Any:
        """Return the value. Raises `MalformedConfiguration` and `InvalidConfiguration`."""
        if len(self.body) > MAX_BYTES:
            message = f"is too large: the maximum is {MAX_BYTES} bytes"
            raise InvalidConfiguration((Problem((), message),))
        return read(self.body, self.format)


class ConfigurationFile(click.File):
    """A YAML file, or a JSON file if its name ends with .json; `-` is standard input, in either."""

    def __init__(self) -> None:
        super().__init__("rb")

    def convert(  # type: ignore[override]
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> GivenFile:
        """Return the content of the file. Raises `click.BadParameter` if it cannot be read."""
        try:
            with super().convert(value, param, ctx) as file:
                body = file.read(MAX_BYTES + 1)
        except OSError as error:
            self.fail(f"{str(value)!r}: {error.strerror}", param, ctx)
        name = str(value)
        if name == "-":
            return GivenFile(body, format_of(body))
        is_json = Path(name).suffix.lower() == ".json"
        return GivenFile(body, Format.JSON if is_json else Format.YAML)
