"""A configuration in the body of a request."""

import asyncio
from typing import Any

from aiohttp import web

from components.configuration.reading import Format, read
from components.http.errors import UnsupportedFormat

FORMATS = {
    "application/json": Format.JSON,
    "application/yaml": Format.YAML,  # RFC 9512; the others are older names
    "application/x-yaml": Format.YAML,
    "text/yaml": Format.YAML,
    "text/x-yaml": Format.YAML,
}


async def read_configuration(request: web.Request) -> Any:
    """Return the value in the body, in the format that the content type says.

    Raises `UnsupportedFormat`, `MalformedConfiguration`, `InvalidConfiguration`.
    """
    written_in = FORMATS.get(request.content_type)
    if written_in is None:
        raise UnsupportedFormat(
            "the configuration must be sent as application/json or application/yaml, "
            f"not as {request.headers.get('Content-Type', 'nothing in particular')!r}"
        )
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedFormat(f"the text must be UTF-8, not {request.charset!r}")
    body = await request.read()
    # YAML of this size takes long enough to hold up everybody else.
    return await asyncio.to_thread(read, body, written_in)
