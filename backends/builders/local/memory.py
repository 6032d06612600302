"""How much memory a program may have: each of its processes, and all of them where that can be.

Each process has a limit of its address space. Where this process may make memory cgroups, version
1 or 2, what a program and its processes have together is bounded too.
"""

import asyncio
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_MOUNTED = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_LIMITS = ("memory.max", "memory.limit_in_bytes")
_SWAP = (("memory.swap.max", 0), ("memory.oom.group", 1))


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes for `each` process, 0 for any, and for all `together` in a cgroup below `cgroups`."""

    each: int
    together: int = 0
    cgroups: Path | None = None

    @contextmanager
    def group(self) -> Iterator[str]:
        """Make a cgroup for one program; yield the file that a process joins it by, or nothing."""
        if self.cgroups is None:
            yield ""
            return
        own = _made(self.cgroups, self.together)
        try:
            yield str(own / "cgroup.procs")
        finally:
            with suppress(OSError):  # what was killed may not be gone from it yet
                own.rmdir()

    def __str__(self) -> str:
        return f"{self.each // 1024**2} MiB of memory"


async def find_cgroups() -> Path | None:
    """Return where this process may make memory cgroups and put programs in; None for nowhere."""
    for parent in _parents():
        with suppress(OSError):
            own = _made(parent, 64 * 1024**2)
            try:
                joining = ("sh", "-c", 'echo 0 > "$0"', own / "cgroup.procs")
                process = await asyncio.create_subprocess_exec(*joining, stderr=DEVNULL)
                if not await process.wait():
                    return parent
            finally:
                own.rmdir()
    return None


def _parents() -> Iterator[Path]:
    """Yield where a child might be made: in version 2, a group with processes may have none."""
    with suppress(OSError):
        for line in _OWN.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                yield _MOUNTED / "memory" / path.lstrip("/")
            elif not controllers and path != "/":
                yield (_MOUNTED / path.lstrip("/")).parent


def _made(parent: Path, max_bytes: int) -> Path:
    """Make a cgroup with a limit. Raises `OSError` where there is none, or it has no limit."""
    own = Path(tempfile.mkdtemp(prefix="components-", dir=parent))
    try:
        limit = next(own / name for name in _LIMITS if (own / name).exists())
        limit.write_text(str(max_bytes))
        for name, value in _SWAP:
            if (own / name).exists():
                (own / name).write_text(str(value))
    except (OSError, StopIteration):
        own.rmdir()
        raise OSError("there are no limits of memory") from None
    return own
