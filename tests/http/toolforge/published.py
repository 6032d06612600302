"""The interface as Toolforge publishes it: what its file says of answers."""

import re
from typing import Any

import yaml
from aiohttp import ClientResponse
from jsonschema import Draft202012Validator

from tests.conftest import SHARED

FILE = SHARED / "toolforge" / "components-api.openapi.yaml"
"""It is other people's text, so it is not in this repository."""


class Published:
    """The published interface."""

    def __init__(self) -> None:
        self._document = yaml.safe_load(FILE.read_text())
        self.checked: set[tuple[str, str]] = set()
        """The operations of which an answer was checked."""

    @property
    def operations(self) -> set[tuple[str, str]]:
        """All operations, by method and path."""
        paths = self._document["paths"].items()
        return {(method.upper(), path) for path, item in paths for method in item}

    async def check(self, response: ClientResponse) -> None:
        """Raise if the file does not know a response to its request, or has another schema."""
        method, path = response.method, self._path(response.url.path)
        operation = self._document["paths"][path][method.lower()]
        schema = self._schema(operation, response.status)
        Draft202012Validator({**schema, **self._definitions}).validate(await response.json())
        self.checked.add((method, path))

    @property
    def _definitions(self) -> dict[str, Any]:
        return {"components": self._document["components"]}

    def _path(self, path: str) -> str:
        """Return the published path, the one without placeholders first."""
        published: list[str] = sorted(
            self._document["paths"], key=lambda each: str(each).count("{")
        )
        return next(
            each for each in published if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each), path)
        )

    def _schema(self, operation: dict[str, Any], status: int) -> dict[str, Any]:
        if status in (200, 422):
            content = operation["responses"][str(status)]["content"]
            schema: dict[str, Any] = content["application/json"]["schema"]
            return schema
        # Not published, but every answer has messages, and an error has one of them.
        messages = {"$ref": "#/components/schemas/ResponseMessages"}
        some = {"properties": {"error": {"minItems": 1}}, "required": ["error"]}
        return {"properties": {"messages": {"allOf": [messages, some]}}, "required": ["messages"]}
