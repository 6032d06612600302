"""The headers of every response, and those that no request may have."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from components.http.errors import CompressedBody
from components.http.keys import STOPPING

COMMON_HEADERS = {
    # By default, aiohttp sends its name and version.
    hdrs.SERVER: "components-api",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""The headers of every response."""

POLICY = "Content-Security-Policy"
_DEFAULT_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""The policy of responses that are not pages: nothing may load or run."""


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the common headers to a response.

    The connection closes after it if the body was not read, or if the service is shutting down.
    """
    response.headers.update(COMMON_HEADERS)
    response.headers.setdefault(POLICY, _DEFAULT_POLICY)
    if not request.content.is_eof() or request.app[STOPPING].is_set():
        response.force_close()
        response.headers[hdrs.CONNECTION] = "close"


@web.middleware
async def encoding_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reject requests with a Content-Encoding. Raises `CompressedBody`."""
    if hdrs.CONTENT_ENCODING in request.headers:
        raise CompressedBody
    return await handler(request)
