"""The log: one line per event on standard error, as text or as JSON.

Much of what is logged is untrusted: paths, messages of builds, responses of servers. It stays
text in the line of its own event: control characters, line ends and bidirectional formatting
characters are escaped, and the length is limited.
"""

import logging
import sys
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from components.invisible_characters import replace_invisible

MESSAGE_LENGTH = 8 * 1024
"""How many characters of an event's text are written at most."""

TRACEBACK_LENGTH = 32 * 1024
"""How many characters of a traceback are written at most."""

_FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"
_TRACEBACKS = ("exc_info", "stack_info")
_INDENT = "    "


def visible(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Return a text in one line, clipped, with an escape for each invisible character."""
    shown = replace_invisible(text[:length])
    left = len(text) - length
    return f"{shown}… and {left} more characters" if left > 0 else shown


def visible_lines(text: str) -> str:
    """Return a traceback with each line made `visible` and indented, unlike a line of an event.

    The end is kept, because it has the error.
    """
    left = len(text) - TRACEBACK_LENGTH
    shown = f"{left} characters before\n{text[left:]}" if left > 0 else text
    return "\n".join(_INDENT + visible(line, TRACEBACK_LENGTH) for line in shown.split("\n"))


def setup_logging(level: str, log_format: str) -> None:
    """Send the log to standard error, from `level` up, as `text` or as `json`."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(_JsonLines(_FIELDS, rename_fields={"levelname": "level"}))
    else:
        handler.setFormatter(_TextLines(_FIELDS))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # A mistake in the call, for which logging would write a traceback with all values.
        return f"{record.msg} {record.args!r}"


class _TextLines(logging.Formatter):
    """Writes an event as a line, followed by the indented lines of its traceback, if any."""

    def format(self, record: logging.LogRecord) -> str:
        record.message = visible(_message(record))
        record.asctime = self.formatTime(record)
        lines = [self.formatMessage(record)]
        # Not `exc_text`: another handler may have cached its own format there.
        if record.exc_info:
            lines.append(visible_lines(self.formatException(record.exc_info)))
        if record.stack_info:
            lines.append(visible_lines(self.formatStack(record.stack_info)))
        return "\n".join(lines)


class _JsonLines(JsonFormatter):
    """Writes an event as a JSON object in a line, without control characters once decoded."""

    def format(self, record: logging.LogRecord) -> str:
        record.msg, record.args, record.exc_text = _message(record), None, None
        return super().format(record)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {key: _cleaned(key, value) for key, value in log_data.items()}


def _cleaned(key: str, value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    return visible_lines(str(value)) if key in _TRACEBACKS else visible(str(value))
