"""Creates the picture of `components deploy --follow` for the README from a real deployment.

`make pictures` runs it. It starts a service with simulated builds, and deploys first a part of an
example, then all of it, in a pseudo-terminal. The last screen becomes `docs/deploy.svg`.
"""

import asyncio
import io
import os
import re
import termios
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

from examples.demo import COMPONENTS, CONFIGURATION, service

PICTURE = Path(__file__).parents[1] / "docs/deploy.svg"
BEFORE = ("gateway", "archive")
"""The components that are deployed before, so that the picture shows reused builds."""

COMMAND = ("deploy", "--follow")
COLUMNS, ROWS = 106, 40

# The control sequences of the command line besides colours: a table replaces the previous one.
_CLEARED = re.compile(r"\r\x1b\[2K(?P<above>(?:\x1b\[1A\x1b\[2K)*)")
_CURSOR = re.compile(r"\x1b\[\?25[lh]")
# rich makes its pictures load fonts from another host; a picture should be self-contained.
_FONTS = re.compile(r"\s*@font-face \{.*?\n    \}", re.DOTALL)


async def picture() -> str:
    """Return the picture, as SVG. Raises `SystemExit` if a command fails."""
    environ = {"COMPONENTS_BUILDER": "simulated", "COMPONENTS_TOOL": "observatory"}
    async with service(environ) as environment:
        await recorded(environment, "config", "set", CONFIGURATION)
        await recorded(environment, "deploy", *BEFORE, "--wait")
        written = await recorded(environment, *COMMAND)
    return svg(f"$ components {' '.join(COMMAND)}\n{last_screen(written)}")


async def recorded(environ: dict[str, str], *arguments: str) -> str:
    """Run a command in a terminal, and return its output."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (ROWS, COLUMNS))
    try:
        command = await asyncio.create_subprocess_exec(
            COMPONENTS,
            *arguments,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environ | {"TERM": "xterm-256color"},
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    written = await asyncio.to_thread(_all, ours)
    if code := await command.wait():
        raise SystemExit(f"components {' '.join(arguments)}: exit code {code}\n{written}")
    return written


def _all(terminal: int) -> str:
    """Return what is written to a terminal, whose other end this descriptor is; close it."""
    parts = []
    with os.fdopen(terminal, "rb", buffering=0) as reader, suppress(OSError):
        # Linux raises OSError once no process has the terminal open.
        while part := reader.read(65536):
            parts.append(part)
    return b"".join(parts).decode()


def last_screen(written: str) -> str:
    """Return the final screen of a terminal, with colours, for its output."""
    text, *rest = _CLEARED.split(_CURSOR.sub("", written))
    for above, more in zip(rest[::2], rest[1::2], strict=True):
        lines = text.split("\n")
        cleared = 1 + above.count("\x1b[1A")
        text = "\n".join([*lines[:-cleared], more])
    return text.replace("\r", "")


def svg(text: str) -> str:
    """Return a terminal's text as a self-contained SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(text.rstrip()))
    exported = _FONTS.sub("", console.export_svg(title="", unique_id="terminal"))
    return "\n".join(line.rstrip() for line in exported.splitlines()) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(asyncio.run(picture()))
