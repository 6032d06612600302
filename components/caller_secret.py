"""The secret that distinguishes a caller on this machine from a build that runs on it.

A build that shares the machine's network can connect to loopback, and can claim to be any tool. It
cannot read files of the user who runs the service. So the service stores a secret in such a file,
named after its port, while it runs. The command line reads it there.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CALLER_HEADER = "components-secret"


def secret_file(port: int) -> Path:
    """Return the path of the secret of the service on `port`, for the user who runs it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(runtime) if runtime else Path.home() / ".local/state"
    return own / "components-api" / f"{port}.secret"


def read_secret(port: int) -> str | None:
    """Return the secret of the service on `port`; None if there is none that we may read."""
    with suppress(OSError):
        return secret_file(port).read_text().strip() or None
    return None


@contextmanager
def stored_secret(port: int, secret: str) -> Iterator[Path]:
    """Store a secret in a file that only its owner can read; yield the path. Raises `OSError`."""
    path = secret_file(port)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # An existing file is left over from a service that was killed, or is another user's link.
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secret}\n")
    try:
        yield path
    finally:
        # Another service, on this port of another address, may have replaced it since.
        if read_secret(port) == secret:
            path.unlink(missing_ok=True)
