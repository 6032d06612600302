"""The body of a request: its content type, and configurations."""

from typing import Any

from aiohttp import web

from components.configuration.problems import named
from components.configuration.reading import Format, read
from components.configuration.schemas import ConfigurationSchema
from components.engine.threads import run_in_thread
from components.http.errors import UnsupportedFormat

FORMATS = {
    "application/json": Format.JSON,
    "application/yaml": Format.YAML,  # RFC 9512; the others are older names
    "application/x-yaml": Format.YAML,
    "text/yaml": Format.YAML,
    "text/x-yaml": Format.YAML,
}

CONFIGURATION_BODY = {
    "required": True,
    "content": {
        media_type: {"schema": ConfigurationSchema}
        for media_type in ("application/json", "application/yaml")
    },
}
"""The OpenAPI request body of a configuration."""

_TYPE_LENGTH = 200
"""The maximum length of a content type: parsing its parameters takes more than quadratic time."""


def media_type(request: web.Request) -> str:
    """Return the content type without parameters. Raises `UnsupportedFormat`."""
    length = len(request.headers.get("Content-Type", ""))
    if length > _TYPE_LENGTH:
        raise UnsupportedFormat(
            f"Content-Type: must have at most {_TYPE_LENGTH} characters, not {length}"
        )
    return request.content_type


async def read_configuration(request: web.Request) -> Any:
    """Parse the body as its content type says, and return the value.

    Raises `UnsupportedFormat`, `MalformedConfiguration`, `InvalidConfiguration`.
    """
    format_ = FORMATS.get(media_type(request))
    if format_ is None:
        raise UnsupportedFormat(
            "the configuration must be sent as application/json or application/yaml, "
            f"not as {named(request.headers.get('Content-Type', 'no content type'))}"
        )
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedFormat(f"the text must be UTF-8, not {named(request.charset or '')}")
    return await run_in_thread(read, await request.read(), format_)
