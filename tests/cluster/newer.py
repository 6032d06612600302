"""A newer version of the service, with another document format and another status.

It reports a running build as `PUSHING`. That is the only change, and it is made in copies of the
files, not at run time.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORD = "PUSHING"

_CHANGES = {
    "components/engine/deployments/documents.py": (
        ("\nFORM = 2\n", "\nFORM = 3\n"),
        ("\nFORM_WITHOUT_RUNS = 1\n", "\nFORM_WITHOUT_RUNS = 3\n"),
    ),
    "backends/status.py": (
        ('    RUNNING = "RUNNING"\n', f'    RUNNING = "RUNNING"\n    {WORD} = "{WORD}"\n'),
        ("(Status.PENDING, Status.RUNNING)", f"(Status.PENDING, Status.RUNNING, Status.{WORD})"),
    ),
    "components/engine/steps/merge.py": (
        ("step.status is Status.RUNNING,", "step.status is not Status.PENDING,"),
    ),
    "backends/builders/toolforge/payloads.py": (
        ('"BUILD_RUNNING": BuildStatus.RUNNING', f'"BUILD_RUNNING": BuildStatus.{WORD}'),
    ),
}


def make_newer(directory: Path) -> Path:
    """Write the newer version into a directory; return it. `command` runs it from there."""
    for package in ("components", "backends"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, directory / package, ignore=ignored)
    for name, changes in _CHANGES.items():
        file = directory / name
        text = file.read_text()
        for old, new in changes:
            if text.count(old) != 1:
                raise ValueError(f"{name} has changed: {old!r}")
            text = text.replace(old, new)
        file.write_text(text)
    return directory


def command(*arguments: str) -> tuple[str, ...]:
    """Return the command line that runs the version in the current directory."""
    return (sys.executable, "-c", "from components.cli import main; main()", *arguments)
