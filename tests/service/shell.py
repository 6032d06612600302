"""Running shell commands in the project's directory, with the virtual environment of the tests."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.conftest import ROOT, unmeasured

TARGETS = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
"""The targets of the Makefile, in order."""


def environ(**more: str) -> dict[str, str]:
    """Return an environment in which `make` uses the virtual environment of these tests."""
    venv = Path(sys.prefix)
    # Not as a sub-make of the `make` that may run these tests.
    outer = {name: value for name, value in unmeasured().items() if name != "MAKELEVEL"}
    return {
        **outer,
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        "MAKEFLAGS": f"VENV={venv}",
        **more,
    }


async def shell(script: str, **more: str) -> str:
    """Run commands in the project's directory; return their output."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euc",
        script,
        cwd=ROOT,
        env=environ(**more),
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, f"{script}\n{output.decode()}"
    return output.decode()
