"""How much a repository has: what git has written, and what a checkout would write.

Each file and directory counts as a block at least, so one bound is for bytes and for numbers: a
repository of many small files is large too.
"""

import asyncio
import os
from pathlib import Path

ENTRY_BYTES = 4096
"""What a file or directory counts at least."""

_LOOK_SECONDS = 0.1
_MAX_PATH_BYTES = 16 * 1024
"""No system has longer paths, and of one without end no more is kept."""


class TooLarge(Exception):
    """A repository has more bytes than it may; the message says how many those are."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"the repository has more than {max_bytes} bytes, "
            f"where each file or directory counts at least {ENTRY_BYTES}"
        )


class TreeSize:
    """Adds up what `git ls-tree -r -t -l -z` prints, as it comes.

    A small repository can list one directory over and over, and so have billions of files.
    """

    def __init__(self, max_bytes: int) -> None:
        self.rest = b""
        self._max_bytes = max_bytes
        self._size = 0

    def add(self, output: bytes) -> None:
        """Add a piece of the output. Raises `TooLarge` as soon as there is too much."""
        *entries, self.rest = (self.rest + output).split(b"\0")
        for entry in entries:
            # <mode> <type> <object> <size, or - where it is no file>
            size = entry.partition(b"\t")[0].split()[3:4]
            self._size += max(ENTRY_BYTES, int(size[0]) if size and size[0].isdigit() else 0)
        if self._size > self._max_bytes or len(self.rest) > _MAX_PATH_BYTES:
            raise TooLarge(self._max_bytes)


async def watch(directory: Path, max_bytes: int) -> None:
    """Raise `TooLarge` as soon as there is too much; look no more often than looking is cheap."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        await asyncio.to_thread(check_size, directory, max_bytes)
        await asyncio.sleep(max(_LOOK_SECONDS, 5 * (loop.time() - began)))


def check_size(directory: Path, max_bytes: int) -> None:
    """Raise `TooLarge` where a directory has too much."""
    size = 0
    for where, directories, files in os.walk(directory):
        for name in (*directories, *files):
            try:
                size += max(os.lstat(os.path.join(where, name)).st_size, ENTRY_BYTES)
            except FileNotFoundError:
                continue  # git renames what it writes
            if size > max_bytes:
                raise TooLarge(max_bytes)
