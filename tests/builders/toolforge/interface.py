"""Checks every request and answer of the stand-in against what is relied on of the builds service.

That is `builds-api.yaml`; and, where it is at hand, the OpenAPI file that the service publishes.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from openapi_core import OpenAPI
from openapi_core.contrib.aiohttp import AIOHTTPOpenAPIWebRequest, AIOHTTPOpenAPIWebResponse
from openapi_core.exceptions import OpenAPIError

from tests.conftest import SHARED

OURS = Path(__file__).with_name("builds-api.yaml")
PUBLISHED = SHARED / "toolforge/builds-api.openapi.yaml"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LEFT_OUT = {"POST": {403, 409, 503}}
"""What the service answers to a start although its own file does not say so."""

NOT_THE_SERVICE = {429, 502, 503, 504}
"""What the gateway before it answers, to anything."""


@dataclass(frozen=True)
class Document:
    """An OpenAPI file, and the statuses that are answered although it does not say so."""

    openapi: OpenAPI
    left_out: dict[str, set[int]]

    @classmethod
    def load(cls, file: Path, left_out: dict[str, set[int]]) -> "Document":
        """Read a file, for where the stand-in serves it, whatever the port."""
        document = yaml.safe_load(file.read_text())
        document["servers"] = [{"url": "http://127.0.0.1/builds"}]
        return cls(OpenAPI.from_dict(document), left_out)


def documents() -> Iterator[Document]:
    """Yield ours, and the published one where it is there."""
    yield Document.load(OURS, {})
    if PUBLISHED.exists():
        yield Document.load(PUBLISHED, LEFT_OUT)


class Interface:
    """A middleware that collects what is against the interface: one line for each exchange."""

    def __init__(self) -> None:
        self._documents = tuple(documents())
        self.violations: list[str] = []

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check a request, and the answer to it."""
        asked = AIOHTTPOpenAPIWebRequest(request, body=await request.read())
        response = await handler(request)
        try:
            for each in self._documents:
                _check(each, asked, response)
        except OpenAPIError as error:
            self.violations.append(f"{request.method} {request.path}: {error}: {error.__cause__}")
        return response


def _check(document: Document, asked: Any, response: web.StreamResponse) -> None:
    """Raise `OpenAPIError` for what is against a document."""
    try:
        document.openapi.validate_request(asked)
    except OpenAPIError:
        # What is malformed must be refused, and then it is no violation.
        if response.status != web.HTTPBadRequest.status_code:
            raise
        return
    allowed = document.left_out.get(asked.method.upper(), set()) | NOT_THE_SERVICE
    # What is streamed is JSON by lines, which no schema can say.
    if isinstance(response, web.Response) and response.status not in allowed:
        document.openapi.validate_response(asked, AIOHTTPOpenAPIWebResponse(response))
