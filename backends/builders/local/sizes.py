"""The size of a repository: of what git has written, and of what a checkout would write.

Each file and directory counts as at least one block, so one limit covers bytes and numbers: many
small files are large too.
"""

import asyncio
import os
from pathlib import Path

ENTRY_BYTES = 4096
"""The minimum size that a file or directory counts as."""

_POLL_SECONDS = 0.1
_MAX_PATH_BYTES = 16 * 1024
"""No system has longer paths, so no more of an endless one is held in memory."""


class TooLarge(Exception):
    """A repository is larger than allowed; the message has the limit."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"the repository has more than {max_bytes} bytes, "
            f"where each file or directory counts at least {ENTRY_BYTES}"
        )


class TreeSize:
    """Adds up the output of `git ls-tree -r -t -l -z` as it comes.

    A small repository can list the same directory many times, and so have billions of files.
    """

    def __init__(self, max_bytes: int) -> None:
        self.rest = b""
        self._max_bytes = max_bytes
        self._size = 0

    def add(self, output: bytes) -> None:
        """Add a piece of the output. Raises `TooLarge` as soon as the limit is exceeded."""
        *entries, self.rest = (self.rest + output).split(b"\0")
        for entry in entries:
            # <mode> <type> <object> <size, or - if it is not a file>
            size = entry.partition(b"\t")[0].split()[3:4]
            self._size += max(ENTRY_BYTES, int(size[0]) if size and size[0].isdigit() else 0)
        if self._size > self._max_bytes or len(self.rest) > _MAX_PATH_BYTES:
            raise TooLarge(self._max_bytes)


async def watch(directory: Path, max_bytes: int) -> None:
    """Raise `TooLarge` once the limit is exceeded; pauses five times as long as a scan takes."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        await asyncio.to_thread(check_size, directory, max_bytes)
        await asyncio.sleep(max(_POLL_SECONDS, 5 * (loop.time() - began)))


def check_size(directory: Path, max_bytes: int) -> None:
    """Raise `TooLarge` if a directory exceeds the limit."""
    size = 0
    for where, directories, files in os.walk(directory):
        for name in (*directories, *files):
            try:
                size += max(os.lstat(os.path.join(where, name)).st_size, ENTRY_BYTES)
            except FileNotFoundError:
                continue  # git renames its files
            if size > max_bytes:
                raise TooLarge(max_bytes)
