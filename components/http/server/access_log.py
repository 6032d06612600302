"""The access log: one line for each request, with its path but without its query.

A query may have a token, which no log may have.
"""

import logging

from aiohttp.abc import AbstractAccessLogger
from aiohttp.web import BaseRequest, StreamResponse


class AccessLog(AbstractAccessLogger):
    """Logs the address, the first line, the status, the size in bytes and the time in seconds."""

    @property
    def enabled(self) -> bool:
        """Whether anything is logged."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Log a request that was answered, and the same as fields of a JSON log."""
        version = f"HTTP/{request.version.major}.{request.version.minor}"
        fields = {
            "remote_address": request.remote or "-",
            "first_request_line": f"{request.method} {request.rel_url.raw_path} {version}",
            "response_status": response.status,
            "response_size": response.body_length,
            "request_time_frac": f"{time:.6f}",
        }
        self.logger.info('%s "%s" %s %s %ss', *fields.values(), extra=fields)
