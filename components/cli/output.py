"""The output of commands: data on standard output, messages on standard error, as plain text."""

import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from components.cli.client import Reply
from components.cli.rows import Rows
from components.cli.text import json_text, plain, plain_lines

_PIPE_WIDTH = 1_000_000
"""The width without a terminal: large enough that nothing is wrapped."""


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints text unchanged: no markup, highlighting or emoji codes."""
    stream = (sys.stderr if stderr else sys.stdout) or io.StringIO()  # None if it was closed
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # not every encoding has every character
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


@dataclass(frozen=True, slots=True)
class Output:
    """The output of a command; with `as_json`, its data is printed as JSON only.

    Everything is made plain text, so that it cannot control the terminal.
    """

    as_json: bool = False
    out: Console = field(default_factory=console)
    err: Console = field(default_factory=lambda: console(stderr=True))

    def reply(self, reply: Reply) -> None:
        """Show the messages of a reply."""
        self.messages(reply.info, reply.warnings, reply.errors)

    def messages(
        self,
        info: Iterable[str] = (),
        warnings: Iterable[str] = (),
        errors: Iterable[str] = (),
    ) -> None:
        """Show messages on standard error: warnings in yellow, errors in red."""
        for message in info:
            self._message(message, "")
        for message in warnings:
            self._message(f"warning: {message}", "yellow")
        for message in errors:
            self._message(f"error: {message}", "red")

    def interrupted(self, message: str) -> None:
        """Show a message after Ctrl-C, below the line in which the terminal shows ^C."""
        if self.err.is_terminal:
            self.err.line()
        self.messages(info=[message])

    def data(self, data: Any) -> bool:
        """Print `data` if JSON was requested; return whether it was."""
        if self.as_json:
            self.lines(json_text(data))
        return self.as_json

    def line(self, text: str) -> None:
        """Print a text as one line."""
        click.echo(plain(text), file=self.out.file)

    def lines(self, text: str) -> None:
        """Print a multi-line text."""
        click.echo("\n".join(plain_lines(text)), file=self.out.file)

    def styled(self, lines: Iterable[tuple[str, str]]) -> None:
        """Print lines, each with the name of its style."""
        for line, style in lines:
            self.out.print(Text(plain(line), style), soft_wrap=True)

    def table(self, rows: Rows) -> None:
        """Print a table."""
        self.out.print(rows)

    def _message(self, message: str, style: str) -> None:
        # Indented, so that a line of a message is not mistaken for another message.
        text = "\n  ".join(plain_lines(message))
        self.err.print(Text(text, style), soft_wrap=True)
