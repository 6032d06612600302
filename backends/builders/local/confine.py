"""Detects, once at the start, how this machine can confine programs.

Every program has a supervisor (`supervisor`), which kills what the program has started. Engines
also run each step of a build in its own PID namespace, which ends with all its processes. Without a
runtime (`BUILDAH_ISOLATION=chroot`) they do not, so the whole build gets a PID namespace here.
"""

import os
import sys
from dataclasses import dataclass

from backends.builders.local.engine import EngineName
from backends.builders.local.memory import Memory, find_cgroups
from backends.builders.local.process import environment, output_of

GIT_BYTES = 512 * 1024 * 1024
"""The memory limit of a git process."""

_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


@dataclass(frozen=True, slots=True)
class Confinement:
    """How git and builds are confined: `namespace` is the prefix of a build's command line;
    `missing` says what this machine does not support, for people."""

    memory: Memory
    namespace: tuple[str, ...]
    missing: tuple[str, ...]


async def confinement(engine: EngineName, max_bytes: int) -> Confinement:
    """Detect how git, whose files have at most `max_bytes`, and builds can be confined."""
    missing = []
    # Files of git also count as memory if temporary files are in memory.
    memory = Memory(GIT_BYTES, GIT_BYTES + max_bytes, await find_cgroups())
    if sys.platform != "linux":
        missing.append("the memory of git is not limited")
        if engine is not EngineName.DOCKER:
            missing.append("background processes of a build may outlive it")
    elif memory.cgroups is None:
        missing.append("the memory of git is limited for each process, but not in total")
    return Confinement(memory, await _namespace(engine), tuple(missing))


async def _namespace(engine: EngineName) -> tuple[str, ...]:
    """Return the command that runs a program in a PID namespace; empty if unneeded or unavailable.

    A runtime may pass process ids to other programs (systemd) for control groups, where ids from a
    PID namespace would be wrong. So a build with a runtime does not get one.
    """
    if engine is EngineName.DOCKER or os.environ.get("BUILDAH_ISOLATION") != "chroot":
        return ()
    # Without root, it needs the user namespace that the engine would create for itself.
    for found in (_NAMESPACE, (engine, "unshare", "--", *_NAMESPACE)):
        try:
            code, _ = await output_of((*found, "true"), environment())
        except OSError:
            continue
        if code == 0:
            return found
    return ()
