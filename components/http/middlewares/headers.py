"""What every answer says, whoever made it, and what no request may say."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from components.http.errors import CompressedBody
from components.http.keys import STOPPING

ALWAYS = {
    # aiohttp would name itself and its version.
    hdrs.SERVER: "components-api",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""The headers of every answer."""

POLICY = "Content-Security-Policy"
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""The policy of what is no page: were it shown as one, it could load and run nothing."""


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put on an answer what all have.

    It is the last of its connection where a body was not read, and once the service is stopping.
    """
    response.headers.update(ALWAYS)
    response.headers.setdefault(POLICY, _NOTHING)
    if not request.content.is_eof() or request.app[STOPPING].is_set():
        response.force_close()
        response.headers[hdrs.CONNECTION] = "close"


@web.middleware
async def encoding_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body that is said to be encoded, whichever way. Raises `CompressedBody`."""
    if hdrs.CONTENT_ENCODING in request.headers:
        raise CompressedBody
    return await handler(request)
