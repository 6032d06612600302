"""What this machine has to hold programs in: found out once, at the start, and said where it lacks.

Whatever is run has a supervisor (`supervisor`), which ends what it has started. Engines besides
give each step of a build a PID namespace of its own, whose end is the end of all that is in it;
without a runtime (`BUILDAH_ISOLATION=chroot`) they do not, and the whole build gets one here.
"""

import os
import sys
from dataclasses import dataclass

from backends.builders.local.engine import EngineName
from backends.builders.local.memory import Memory, find_cgroups
from backends.builders.local.process import environment, output_of

GIT_BYTES = 512 * 1024 * 1024
"""How much memory a process of git may have."""

_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


@dataclass(frozen=True, slots=True)
class Confinement:
    """How git and builds are held: `namespace` is put before a build; `lacks` is for people."""

    memory: Memory
    namespace: tuple[str, ...]
    lacks: tuple[str, ...]


async def confinement(engine: EngineName, max_bytes: int) -> Confinement:
    """Find out how git, whose files have at most `max_bytes`, and builds can be held here."""
    lacks = []
    # What git writes is memory too, where temporary files are.
    memory = Memory(GIT_BYTES, GIT_BYTES + max_bytes, await find_cgroups())
    if sys.platform != "linux":
        lacks.append("the memory of git has no limit")
        if engine is not EngineName.DOCKER:
            lacks.append("what a build leaves in the background may outlive it")
    elif memory.cgroups is None:
        lacks.append("each process of git has a limit of memory, and all together have none")
    return Confinement(memory, await _namespace(engine), tuple(lacks))


async def _namespace(engine: EngineName) -> tuple[str, ...]:
    """Return what runs a program in a PID namespace; nothing where that is not needed or not had.

    A runtime may ask others (systemd) for control groups, by ids of processes that would mean
    nothing to those; so a build that uses one is left where it is.
    """
    if engine is EngineName.DOCKER or os.environ.get("BUILDAH_ISOLATION") != "chroot":
        return ()
    # Without root's rights, it takes the user namespace that the engine would make for itself.
    for found in (_NAMESPACE, (engine, "unshare", "--", *_NAMESPACE)):
        try:
            code, _ = await output_of((*found, "true"), environment())
        except OSError:
            continue
        if code == 0:
            return found
    return ()
