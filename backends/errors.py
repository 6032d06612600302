"""What builders and runners raise alike, whatever each calls it.

BackendError
├── BackendRejected      the request is wrong, for good; in the backend's own words
├── BackendBusy          nothing is wrong, and there is no room for this now
└── BackendUnavailable   the backend does not answer; worth another try later
"""

MAX_MESSAGE_BYTES = 2048


def clip(message: str) -> str:
    """Return `message` in at most `MAX_MESSAGE_BYTES` of UTF-8, with line ends but no controls."""
    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in message).strip()
    encoded = clean.encode("utf-8", "replace")
    if len(encoded) <= MAX_MESSAGE_BYTES:
        return encoded.decode()
    return encoded[: MAX_MESSAGE_BYTES - len("…".encode())].decode("utf-8", "ignore") + "…"


class BackendError(Exception):
    """The root of all that a builder or a runner raises; the message is for people.

    `maybe_started` says that what was asked may have been carried out all the same: an earlier
    request of the same call was not answered, or this one was not.
    """

    maybe_started = False

    def __init__(self, message: str, *, maybe_started: bool | None = None) -> None:
        super().__init__(clip(message))
        if maybe_started is not None:
            self.maybe_started = maybe_started


class BackendRejected(BackendError):
    """The backend will never do this; the message is its own."""


class BackendBusy(BackendError):
    """The backend has no room for this now."""


class BackendUnavailable(BackendError):
    """The backend cannot be reached or does not answer; the same call may go through later."""

    maybe_started = True
