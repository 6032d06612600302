"""Toolforge's command line, as it is published and unchanged, and our own, each as a process."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import unmeasured

OWN = Path(sys.executable).with_name("components")
PUBLISHED = Path(sys.prefix) / "toolforge" / "bin" / "toolforge-components"
"""Where `make toolforge-cli` installs it: it needs older packages than this project."""


@dataclass(frozen=True)
class Outcome:
    """What a command has printed, and its exit code."""

    code: int
    out: str
    err: str

    @cached_property
    def data(self) -> Any:
        """What it has printed, as YAML or JSON."""
        assert self.code == 0, f"{self.out}{self.err}"
        return yaml.safe_load(self.out)


class CommandLines:
    """The two command lines, as a maintainer of a tool uses them."""

    def __init__(self, home: Path, gateway: str, kubeconfig: Path, own: str, tool: str) -> None:
        # Without what a machine says of its proxies and CAs.
        self._theirs = {
            "PATH": os.defpath,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "KUBECONFIG": str(kubeconfig),
            "TOOL_TOOLFORGE_API_URL": gateway,
        }
        self._own = unmeasured() | {"COMPONENTS_URL": own, "COMPONENTS_TOOL": tool}

    async def theirs(self, *arguments: str, stdin: str = "") -> Outcome:
        """Run the published command line."""
        if not PUBLISHED.exists():
            pytest.skip("the published command line is not there: make toolforge-cli installs it")
        return await _run(PUBLISHED, arguments, self._theirs, stdin)

    async def own(self, *arguments: str, stdin: str = "") -> Outcome:
        """Run our own command line."""
        return await _run(OWN, arguments, self._own, stdin)


async def _run(
    program: Path, arguments: tuple[str, ...], env: dict[str, str], stdin: str
) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        program, *arguments, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())
