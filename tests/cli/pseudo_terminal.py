"""A pseudo-terminal for a real process, and the content of its screen."""

import asyncio
import codecs
import fcntl
import os
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.factories import TOOL

PROGRAM = Path(sys.executable).with_name("components")
COLUMNS = 80

_CONTROLS = re.compile(r"\x1b\[(?P<arguments>\??[0-9;]*)(?P<what>[A-Za-z])|[\r\n]")
_INCOMPLETE = re.compile(r"(\x1b(\[\??[0-9;]*)?)?\Z")


class Screen:
    """The screen of a terminal. It supports only the control sequences that we write."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows = [""]
        self.row = self.column = 0

    @property
    def text(self) -> str:
        """All rows, including those that were scrolled off the screen."""
        return "\n".join(row.rstrip() for row in self.rows)

    def write(self, text: str) -> None:
        """Write a text. Raises `ValueError` for a control sequence that we do not write."""
        written = 0
        for match in _CONTROLS.finditer(text):
            self._put(text[written : match.start()])
            self._execute(match)
            written = match.end()
        self._put(text[written:])

    def _execute(self, match: re.Match[str]) -> None:
        match match[0] if match[0] in "\r\n" else match["what"]:
            case "\r":
                self.column = 0
            case "\n":
                self._down()
            case "A":
                self.row = max(0, self.row - int(match["arguments"] or 1))
            case "K":
                self.rows[self.row] = ""
            case "m" | "h" | "l":
                pass
            case other:
                raise ValueError(f"not one of our control sequences: {other!r}")

    def _put(self, text: str) -> None:
        for each in text:
            if not each.isprintable():
                raise ValueError(f"not a printable character: {each!r}")
            if self.column == self.columns:
                self._down()
                self.column = 0
            row = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = row[: self.column] + each + row[self.column + 1 :]
            self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")


class Session:
    """A command that runs in a terminal: its process, its output and its screen."""

    def __init__(self, process: asyncio.subprocess.Process, columns: int) -> None:
        self.process = process
        self.written = ""
        self.screen = Screen(columns)
        self._updates = asyncio.Condition()
        self._ended = False

    async def until(self, pattern: str) -> None:
        """Wait until the screen matches. Raises `AssertionError` if the command ends before."""
        async with self._updates:
            await self._updates.wait_for(lambda: self._ended or self._shows(pattern))
        assert self._shows(pattern), self.screen.text

    async def end(self) -> int:
        """Return the exit code, once all output was read."""
        async with self._updates:
            await self._updates.wait_for(lambda: self._ended)
        return await self.process.wait()

    def _shows(self, pattern: str) -> bool:
        return re.search(pattern, self.screen.text, flags=re.MULTILINE) is not None

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Read the output to its end."""
        decode = codecs.getincrementaldecoder("utf-8")().decode
        rest = ""
        try:
            while chunk := await _read(reader):
                text = rest + decode(chunk)
                complete = len(text) - len(_INCOMPLETE.search(text)[0])  # type: ignore[index]
                text, rest = text[:complete], text[complete:]
                await self._append(text)
            await self._append(rest)
        finally:
            async with self._updates:
                self._ended = True
                self._updates.notify_all()

    async def _append(self, text: str) -> None:
        async with self._updates:
            self.written += text
            self.screen.write(text)
            self._updates.notify_all()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except OSError:  # as on Linux once no process has the terminal open
        return b""


@asynccontextmanager
async def terminal(
    *arguments: str, url: str = "", columns: int = COLUMNS, rows: int = 24
) -> AsyncIterator[Session]:
    """Run a command in a terminal; kill it at the end if it is still running."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environ |= {"TERM": "xterm-256color", "COMPONENTS_URL": url, "COMPONENTS_TOOL": TOOL}
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        *arguments,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environ,
        start_new_session=True,
    )
    os.close(theirs)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
    )
    session = Session(process, columns)
    reading = asyncio.create_task(session.read(reader))
    try:
        yield session
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
        transport.close()
