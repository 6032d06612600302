"""Checks every request and answer of the stand-in against the builds service's OpenAPI file."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import yaml
from aiohttp import web
from openapi_core import OpenAPI
from openapi_core.contrib.aiohttp import AIOHTTPOpenAPIWebRequest, AIOHTTPOpenAPIWebResponse
from openapi_core.exceptions import OpenAPIError

FILE = Path(__file__).parents[2] / "data/toolforge/builds-api.openapi.yaml"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LEFT_OUT = {"POST": {403, 409, 429, 503}}
"""What the service answers to a start although the file does not say so."""

NOT_THE_SERVICE = {429, 502, 503, 504}
"""What the gateway before it answers, to anything."""


class Interface:
    """A middleware that collects what is against the interface."""

    def __init__(self) -> None:
        document = yaml.safe_load(FILE.read_text())
        # Where the stand-in serves it, whatever the port.
        document["servers"] = [{"url": "http://127.0.0.1/builds"}]
        self._openapi = OpenAPI.from_dict(document)
        self.violations: list[str] = []

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check a request, and the answer to it."""
        asked = AIOHTTPOpenAPIWebRequest(request, body=await request.read())
        try:
            self._openapi.validate_request(asked)
        except OpenAPIError as error:
            # What is malformed must be refused, and then it is no violation.
            response = await handler(request)
            if response.status != 400:
                self._note(request, error)
            return response
        response = await handler(request)
        allowed = LEFT_OUT.get(request.method, set()) | NOT_THE_SERVICE
        # What is streamed is JSON by lines, which no schema can say.
        if isinstance(response, web.Response) and response.status not in allowed:
            try:
                self._openapi.validate_response(asked, AIOHTTPOpenAPIWebResponse(response))
            except OpenAPIError as error:
                self._note(request, error)
        return response

    def _note(self, request: web.Request, error: OpenAPIError) -> None:
        self.violations.append(f"{request.method} {request.path}: {error}: {error.__cause__}")
