"""Runs another program, and kills everything that it has started.

It is run as `python -I -S supervisor.py <bytes> <file> <program> ...`, once for each program, so it
is small and imports little, and none of our modules. It stops the program when its own standard
input ends: when the service closes it, and also when the service is killed. On Linux it is a
subreaper, so processes that leave their group and lose their parent are reparented to it and cannot
escape.
"""

import ctypes
import math
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress

GRACE_SECONDS = 2.0
"""How long a program may take to exit after SIGTERM before it is killed."""

KILLED = 128 + signal.SIGKILL
CANNOT_RUN = 127

_POLL_SECONDS = 0.002
_CHILDREN = "/proc/self/task/{0}/children"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(memory: str, group: str, *command: str) -> int:
    """Run a program; return its exit code, or 128 and the signal that killed it.

    `memory` is the address space limit of each process in bytes (0 means unlimited); `group` is the
    `cgroup.procs` of the control group to join, empty for none.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    for each in (woken, wake):
        os.set_blocking(each, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    child = os.fork()
    if not child:
        _exec(int(memory), group, command)
    _make_group_leader(child)
    code = _wait(child, woken)
    _kill(child)
    return code


def _exec(memory: int, group: str, command: tuple[str, ...]) -> None:
    """Execute the program, in its own process group; it is killed if the supervisor is."""
    try:
        _make_group_leader(0)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if group:
            with open(group, "w") as file:
                file.write("0")
        if memory and sys.platform == "linux":
            _, highest = resource.getrlimit(resource.RLIMIT_AS)
            memory = memory if highest == resource.RLIM_INFINITY else min(memory, highest)
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.execvp(command[0], command)  # noqa: S606 - that is its purpose
    except OSError as error:
        os.write(1, f"error: {command[0]} cannot be run: {error.strerror}\n".encode())
    finally:
        os._exit(CANNOT_RUN)


def _wait(child: int, woken: int) -> int:
    """Return the exit code once the program has exited, by itself or after our input ended."""
    watched, deadline = [0, woken], math.inf
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select(watched, [], [], left if left < math.inf else None)
        if woken in ready:
            os.read(woken, 4096)
            if (code := _reap(child)) is not None:
                return code
        if 0 in ready:
            watched, deadline = [woken], time.monotonic() + GRACE_SECONDS
            with suppress(OSError):  # it has ended
                os.killpg(child, signal.SIGTERM)
    return KILLED


def _reap(child: int) -> int | None:
    """Reap all ended children; return the exit code of the program if it is among them."""
    code = None
    with suppress(ChildProcessError):  # there are no children
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
    return code if code is None or code >= 0 else 128 - code


def _kill(child: int) -> None:
    """Kill the remaining processes, and those reparented to us, until none is left."""
    with suppress(OSError):  # the group has no processes
        os.killpg(child, signal.SIGKILL)
    with suppress(ChildProcessError):  # there are no children at all
        while True:
            for each in _children():
                with suppress(OSError):
                    os.kill(each, signal.SIGKILL)
            # The list may miss a process that was reparented during the read, so never block on it.
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(_POLL_SECONDS)


def _make_group_leader(process: int) -> None:
    """Make a process the leader of a group; parent and child both do, as either may be first."""
    with suppress(OSError):  # it is already the leader, and executes another program
        os.setpgid(process, process)


def _children() -> list[int]:
    try:
        with open(_CHILDREN.format(os.getpid())) as file:
            return [int(each) for each in file.read().split()]
    except FileNotFoundError:
        return []


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
