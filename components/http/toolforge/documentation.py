"""How the routes of this interface are documented."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from aiohttp_apigami import response_schema
from marshmallow import Schema

from components.http.documentation.document import operation
from components.http.identity.identification import TOOL_HEADER
from components.http.toolforge.schemas import ToolforgeInvalidSchema

H = TypeVar("H", bound=Callable[..., Any])

SCHEME = "tool"
"""The security scheme of these routes, by its name in the OpenAPI document."""

SCHEMES = {
    SCHEME: {
        "type": "apiKey",
        "in": "header",
        "name": TOOL_HEADER,
        "description": "The tool. The gateway sets it; from anybody else it means nothing.",
    }
}


def tool_operation(
    operation_id: str, summary: str, answer: type[Schema], *errors: HTTPStatus, **attributes: Any
) -> Callable[[H], H]:
    """Document a handler of a tool's route, see `operation`."""

    def decorate(handler: H) -> H:
        invalid = response_schema(
            ToolforgeInvalidSchema,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            description=HTTPStatus.UNPROCESSABLE_ENTITY.phrase,
        )(handler)
        documented: H = operation(
            operation_id,
            summary,
            answer,
            *errors,
            scheme=SCHEME,
            tags=["toolforge"],
            **attributes,
        )(invalid)
        return documented

    return decorate
