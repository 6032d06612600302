"""The body of a request: what it is written in, and the configuration that it may be."""

from typing import Any

from aiohttp import web

from components.configuration.problems import named
from components.configuration.reading import Format, read
from components.engine.threads import run_in_thread
from components.http.errors import UnsupportedFormat

FORMATS = {
    "application/json": Format.JSON,
    "application/yaml": Format.YAML,  # RFC 9512; the others are older names
    "application/x-yaml": Format.YAML,
    "text/yaml": Format.YAML,
    "text/x-yaml": Format.YAML,
}

_TYPE_LENGTH = 200
"""How long a content type may be: parsing its parameters takes more than the square of that."""


def media_type(request: web.Request) -> str:
    """Return what the content type says, without parameters. Raises `UnsupportedFormat`."""
    length = len(request.headers.get("Content-Type", ""))
    if length > _TYPE_LENGTH:
        raise UnsupportedFormat(
            f"Content-Type: must have at most {_TYPE_LENGTH} characters, not {length}"
        )
    return request.content_type


async def read_configuration(request: web.Request) -> Any:
    """Return the value in the body, in the format that the content type says.

    Raises `UnsupportedFormat`, `MalformedConfiguration`, `InvalidConfiguration`.
    """
    written_in = FORMATS.get(media_type(request))
    if written_in is None:
        raise UnsupportedFormat(
            "the configuration must be sent as application/json or application/yaml, "
            f"not as {named(request.headers.get('Content-Type', 'nothing in particular'))}"
        )
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedFormat(f"the text must be UTF-8, not {named(request.charset or '')}")
    return await run_in_thread(read, await request.read(), written_in)
