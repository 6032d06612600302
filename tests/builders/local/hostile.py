"""Malicious servers and repositories."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.builders.local.conftest import git

_REFS = b"".join(
    b"%04x%040x refs/heads/%0900d\n" % (4 + 40 + 1 + 11 + 900 + 1, number, number)
    for number in range(60)
)
_VERSION_2 = b"000eversion 2\n000cls-refs\n0012fetch=shallow\n0000"
_FIRST_REF = b"%04x%040x HEAD\0shallow\n" % (4 + 40 + 5 + 9, 1)  # the first line of protocol
# version 0


@asynccontextmanager
async def endless_refs(version: int) -> AsyncIterator[str]:
    """Yield the URL of a server that advertises endless refs in one version of the protocol."""

    async def advertise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(4096)  # git-upload-pack and the path
            if version == 2:
                writer.write(_VERSION_2)
                await reader.readuntil(b"0000")  # the command and its flush packet
            else:
                writer.write(_FIRST_REF)
            while True:
                writer.write(_REFS)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # git has closed the connection
        finally:
            writer.close()

    server = await asyncio.start_server(advertise, "127.0.0.1", 0)
    try:
        yield f"git://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    finally:
        server.close()
        await server.wait_closed()


def nest(where: Path, levels: int, width: int) -> None:
    """Make `main` a tree that contains one tree `width` times, for some levels: `width ** levels`
    files."""
    (where / "file").write_text("x")
    made = git(where, "hash-object", "-w", "file")
    kind, mode = "blob", "100644"
    for _ in range(levels):
        lines = "".join(f"{mode} {kind} {made}\t{number:03}\n" for number in range(width))
        made, kind, mode = mktree(where, lines), "tree", "040000"
    git(where, "update-ref", "refs/heads/main", git(where, "commit-tree", "-m", "nested", made))


def mktree(where: Path, lines: str) -> str:
    """Create a tree from `git ls-tree` output, and return its id."""
    making = ("git", "-C", str(where), "mktree")
    done = subprocess.run(making, input=lines, check=True, capture_output=True, text=True)
    return done.stdout.strip()
