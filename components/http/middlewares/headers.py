"""The headers of every response, and those that no request may have."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from components.configuration.problems import named
from components.http.errors import CompressedBody
from components.http.keys import STOPPING
from components.http.responses.envelope import enveloped

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


async def expect_continue(request: web.Request) -> None:
    """Send 100 Continue; or reject any other expectation, in the envelope.

    aiohttp calls this before any middleware.
    """
    expected = request.headers.get("Expect", "")
    if expected.lower() != "100-continue":
        error = f"Expect: {named(expected)} is not supported: only 100-continue is"
        rejection = enveloped(None, errors=[error])
        raise web.HTTPExpectationFailed(text=rejection.text, content_type=rejection.content_type)
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # Not part of the response: its size tells whether the response has begun.
    request.writer.output_size = 0


@web.middleware
async def encoding_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reject requests with a Content-Encoding. Raises `CompressedBody`."""
    if hdrs.CONTENT_ENCODING in request.headers:
        raise CompressedBody
    return await handler(request)
