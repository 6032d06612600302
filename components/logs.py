"""The log: one line an event on standard error, for people or for machines."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

_FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"


def setup_logging(level: str, log_format: str) -> None:
    """Send the log to standard error, from `level` up, as `text` or as `json`."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(JsonFormatter(_FIELDS, rename_fields={"levelname": "level"}))
    else:
        handler.setFormatter(logging.Formatter(_FIELDS))
    logging.basicConfig(level=level, handlers=[handler], force=True)
