"""The secret that tells a caller on this machine from a build that runs there too.

A build that shares the machine's network reaches what listens on loopback, and can say that it is
any tool. It cannot read a file of whoever runs the service: so that is where the secret is, by the
port of the service, while that runs. The command line reads it there.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CALLER_HEADER = "components-secret"


def secret_file(port: int) -> Path:
    """Return where the secret of the service on `port` is, for the user who runs it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(runtime) if runtime else Path.home() / ".local/state"
    return own / "components-api" / f"{port}.secret"


def read_secret(port: int) -> str | None:
    """Return the secret of the service on `port`; None where there is none that we may know."""
    with suppress(OSError):
        return secret_file(port).read_text().strip() or None
    return None


@contextmanager
def kept_secret(port: int, secret: str) -> Iterator[Path]:
    """Keep a secret where only its owner reads it; yield the file. Raises `OSError`."""
    path = secret_file(port)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # What is there is of a service that was killed, or a link of somebody else's.
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secret}\n")
    try:
        yield path
    finally:
        # Another service on this port, of another address, may have its own there by now.
        if read_secret(port) == secret:
            path.unlink(missing_ok=True)
