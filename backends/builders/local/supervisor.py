"""A program that runs another one, and ends with all that this has started.

It is run as `python -I -S supervisor.py <bytes> <file> <program> ...`, once for each program, so it
is small, imports little, and nothing of ours. It ends what it runs when its standard input ends:
when the service closes that, and also when the service is killed. On Linux, what has left its group
and has lost its parent comes here (a subreaper), so that it can neither hide nor outlive us.
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
"""How long a program that is told to end may take before it is killed."""

KILLED = 128 + signal.SIGKILL
CANNOT_RUN = 127

_LOOK_SECONDS = 0.002
_CHILDREN = "/proc/self/task/{0}/children"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(memory: str, group: str, *command: str) -> int:
    """Run a program to its end; return its exit code, or 128 and the signal that has ended it.

    `memory` is how many bytes of address space each process may have, 0 for any; `group` the
    `cgroup.procs` of the control group to be in, empty for none.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    woken, wake = os.pipe()
    for each in (woken, wake):
        os.set_blocking(each, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    child = os.fork()
    if not child:
        _become(int(memory), group, command)
    _lead(child)
    code = _wait(child, woken)
    _kill(child)
    return code


def _become(memory: int, group: str, command: tuple[str, ...]) -> None:
    """Be the program, which is in a process group of its own and ends if we are killed."""
    try:
        _lead(0)
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
        os.execvp(command[0], command)  # noqa: S606 - that is what it is for
    except OSError as error:
        os.write(1, f"error: {command[0]} cannot be run: {error.strerror}\n".encode())
    finally:
        os._exit(CANNOT_RUN)


def _wait(child: int, woken: int) -> int:
    """Return how the program has ended, by itself or since our input has."""
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
    """Bury all that has ended; return the exit code of the program if it is among them."""
    code = None
    with suppress(ChildProcessError):  # there is nothing left
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
    return code if code is None or code >= 0 else 128 - code


def _kill(child: int) -> None:
    """Kill what is left, and what comes to us as its parents die, until there is nothing."""
    with suppress(OSError):  # there is nothing of the group left
        os.killpg(child, signal.SIGKILL)
    with suppress(ChildProcessError):  # there is nothing left at all
        while True:
            for each in _children():
                with suppress(OSError):
                    os.kill(each, signal.SIGKILL)
            # The list may miss one that has come while it was read: so never wait for what it has.
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(_LOOK_SECONDS)


def _lead(process: int) -> None:
    """Make a process the first of a group; it and we do so, since either may be first."""
    with suppress(OSError):  # it has done so, and is another program by now
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
