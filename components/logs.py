"""The log: one line an event on standard error, for people or for machines.

Much of what is logged was written by strangers: paths, messages of builds, answers of servers.
Whatever it is, it is text in the line of its own event: no control character, no line end and
nothing that turns the direction of writing gets through, and nothing is longer than a bound.
"""

import logging
import sys
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from components.seen import seen

MESSAGE_LENGTH = 8 * 1024
"""How many characters of an event's text are written."""

TRACEBACK_LENGTH = 32 * 1024
"""How many characters of its traceback."""

_FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"
_TRACEBACKS = ("exc_info", "stack_info")
_INDENT = "    "


def visible(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Return a text in one line, clipped, with an escape for each character that is not printed."""
    shown = seen(text[:length])
    left = len(text) - length
    return f"{shown}… and {left} more characters" if left > 0 else shown


def visible_lines(text: str) -> str:
    """Return a traceback, with each of its lines `visible` and none where an event could begin.

    The end is kept: it says what went wrong.
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
        # Somebody's mistake, of which logging itself would write a traceback with all the values.
        return f"{record.msg} {record.args!r}"


class _TextLines(logging.Formatter):
    """An event is a line; its traceback, if it has one, follows in lines that are indented."""

    def format(self, record: logging.LogRecord) -> str:
        record.message = visible(_message(record))
        record.asctime = self.formatTime(record)
        lines = [self.formatMessage(record)]
        # Not `exc_text`, which another handler may have left there as it would write it.
        if record.exc_info:
            lines.append(visible_lines(self.formatException(record.exc_info)))
        if record.stack_info:
            lines.append(visible_lines(self.formatStack(record.stack_info)))
        return "\n".join(lines)


class _JsonLines(JsonFormatter):
    """An event is an object in a line; whoever decodes it finds no control characters either."""

    def format(self, record: logging.LogRecord) -> str:
        record.msg, record.args, record.exc_text = _message(record), None, None
        return super().format(record)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {key: _cleaned(key, value) for key, value in log_data.items()}


def _cleaned(key: str, value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    return visible_lines(str(value)) if key in _TRACEBACKS else visible(str(value))
