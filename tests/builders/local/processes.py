"""Finds processes of this machine by their command line."""

import asyncio
import os
from pathlib import Path


def that_name(text: str) -> dict[int, str]:
    """Return the command lines, by process id, of all processes that contain a text."""
    found = {}
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = each.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found[int(each.parent.name)] = line
    return found


async def gone(process: int) -> None:
    """Wait until a process has ended; it need not be a child of this one."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    try:
        watched = os.pidfd_open(process)
    except ProcessLookupError:
        return
    loop.add_reader(watched, ended.set)
    try:
        async with asyncio.timeout(20):
            await ended.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)
