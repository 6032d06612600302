"""The log of a build: a file of limited size that can be followed while it grows."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator
from pathlib import Path

MAX_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 16 * 1024
_CHUNK_BYTES = 64 * 1024
_ERROR_WORDS = re.compile(
    r"\b(error|fatal|failed|failure|cannot|denied|not found)\b", re.IGNORECASE
)
_TAIL_LINES = 20
_MESSAGE_LINES = 5


class BuildLog:
    """A log in a file that this process writes. Call `close` at the end of the build."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb", buffering=0)
        self._size = 0
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._rest = b""
        self._more = asyncio.Event()
        self.closed = False

    def write(self, output: bytes) -> None:
        """Append the output of a program; beyond the limit, only a note that the log is cut."""
        left = MAX_BYTES - self._size
        if left > 0:
            self._file.write(output[:left])
            if len(output) > left:
                self._file.write(b"\n(the log is cut here: it is too long)\n")
        self._size += len(output)
        *lines, self._rest = (self._rest + output).split(b"\n")
        self._tail.extend(line[:MAX_LINE_BYTES].decode("utf-8", "replace") for line in lines)
        self._rest = self._rest[-MAX_LINE_BYTES:]
        self._wake()

    def write_line(self, line: str) -> None:
        """Append a line of our own."""
        self.write(f"{line}\n".encode("utf-8", "replace"))

    def close(self) -> None:
        """Close the log, so that followers end."""
        self._file.close()
        self.closed = True
        self._wake()

    def reason(self) -> str:
        """Return the last relevant lines: from the first that mentions an error."""
        tail = [*self._tail, self._rest.decode("utf-8", "replace")]
        lines = [line.strip() for line in tail if line.strip()]
        matching = [n for n, line in enumerate(lines) if _ERROR_WORDS.search(line)]
        start = max(matching[0] if matching else 0, len(lines) - _MESSAGE_LINES)
        return "\n".join(lines[start:])

    async def lines(self, *, follow: bool) -> AsyncGenerator[str, None]:
        """Yield the lines so far, or until the end. Raises `FileNotFoundError` if deleted."""
        rest = b""
        with self.path.open("rb") as file:
            while True:
                more = self._more
                chunk = await asyncio.to_thread(file.read, _CHUNK_BYTES)
                if not chunk:
                    if self.closed or not follow:
                        break
                    await more.wait()
                    continue
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line.decode("utf-8", "replace")
                if len(rest) > MAX_LINE_BYTES:
                    yield rest.decode("utf-8", "replace")
                    rest = b""
        if rest:
            yield rest.decode("utf-8", "replace")

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()
