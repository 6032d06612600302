"""Validates every request and response of a fake service against the interface we use.

The interface is `builds-api.yaml` and, if available, the OpenAPI file that the service publishes.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
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
"""Statuses in response to a start that the published file does not have."""

NOT_THE_SERVICE = {429, 502, 503, 504}
"""Statuses that the gateway may respond with, to any request."""


@dataclass(frozen=True)
class Document:
    """An OpenAPI file, and the additional statuses allowed."""

    openapi: OpenAPI
    left_out: dict[str, set[int]]

    @classmethod
    def load(cls, file: Path, left_out: dict[str, set[int]], service: str = "builds") -> "Document":
        """Read a file, adapted to the address of the fake service."""
        return cls.of(yaml.safe_load(file.read_text()), left_out, service)

    @classmethod
    def of(
        cls, document: dict[str, Any], left_out: dict[str, set[int]], service: str
    ) -> "Document":
        """Return what a file has, adapted to the address of the fake service."""
        document["servers"] = [{"url": f"http://127.0.0.1/{service}"}]
        return cls(OpenAPI.from_dict(document), left_out)


def documents() -> Iterator[Document]:
    """Yield ours, and the published one if it exists."""
    yield Document.load(OURS, {})
    if PUBLISHED.exists():
        yield Document.load(PUBLISHED, LEFT_OUT)


class Interface:
    """A middleware that collects violations of the interface, one line per exchange."""

    def __init__(self, given: Iterable[Document] | None = None) -> None:
        self._documents = tuple(documents() if given is None else given)
        self.violations: list[str] = []

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Validate a request and its response."""
        asked = AIOHTTPOpenAPIWebRequest(request, body=await request.read())
        response = await handler(request)
        try:
            for each in self._documents:
                _check(each, asked, response)
        except OpenAPIError as error:
            self.violations.append(f"{request.method} {request.path}: {error}: {error.__cause__}")
        return response


def _check(document: Document, asked: Any, response: web.StreamResponse) -> None:
    """Raise `OpenAPIError` for a violation of a document."""
    try:
        document.openapi.validate_request(asked)
    except OpenAPIError:
        # A malformed request must be rejected; then it is no violation.
        if response.status != web.HTTPBadRequest.status_code:
            raise
        return
    allowed = document.left_out.get(asked.method.upper(), set()) | NOT_THE_SERVICE
    # The stream is JSON lines, which a schema cannot describe.
    if isinstance(response, web.Response) and response.status not in allowed:
        document.openapi.validate_response(asked, AIOHTTPOpenAPIWebResponse(response))
