"""Memory limits of programs: for each process, and in total if cgroups are available.

Each process has a limit of its address space. If this process may create memory cgroups, version 1
or 2, the total of a program and its child processes is limited too.
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
    """Limits in bytes: of each process (0 means unlimited), and in total, in a cgroup below
    `cgroups`."""

    each: int
    total_bytes: int = 0
    cgroups: Path | None = None

    @contextmanager
    def group(self) -> Iterator[str]:
        """Create a cgroup for one program; yield its `cgroup.procs`, or "" without cgroups."""
        if self.cgroups is None:
            yield ""
            return
        own = _make_cgroup(self.cgroups, self.total_bytes)
        try:
            yield str(own / "cgroup.procs")
        finally:
            with suppress(OSError):  # killed processes may still be in it
                own.rmdir()

    def __str__(self) -> str:
        return f"{self.each // 1024**2} MiB of memory"


async def find_cgroups() -> Path | None:
    """Return the directory in which this process may create memory cgroups; None without one."""
    for parent in _parents():
        with suppress(OSError):
            own = _make_cgroup(parent, 64 * 1024**2)
            try:
                joining = ("sh", "-c", 'echo 0 > "$0"', own / "cgroup.procs")
                process = await asyncio.create_subprocess_exec(*joining, stderr=DEVNULL)
                if not await process.wait():
                    return parent
            finally:
                own.rmdir()
    return None


def _parents() -> Iterator[Path]:
    """Yield possible parents: in version 2, a group with processes may not have children."""
    with suppress(OSError):
        for line in _OWN.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                yield _MOUNTED / "memory" / path.lstrip("/")
            elif not controllers and path != "/":
                yield (_MOUNTED / path.lstrip("/")).parent


def _make_cgroup(parent: Path, max_bytes: int) -> Path:
    """Create a cgroup with a limit. Raises `OSError` if that is not possible."""
    own = Path(tempfile.mkdtemp(prefix="components-", dir=parent))
    try:
        limit = next(own / name for name in _LIMITS if (own / name).exists())
        limit.write_text(str(max_bytes))
        for name, value in _SWAP:
            if (own / name).exists():
                (own / name).write_text(str(value))
    except (OSError, StopIteration):
        own.rmdir()
        raise OSError("memory limits are not available") from None
    return own
