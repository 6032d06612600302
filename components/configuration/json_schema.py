"""The JSON Schema of a configuration, for editors and the OpenAPI document."""

from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import fields

from components.configuration.schemas import (
    ALTERNATIVES,
    COMPONENT_SCHEMAS,
    Component,
    ConfigurationSchema,
)

REQUIRED = {"anyOf": [{"required": [name]} for name in sorted(ALTERNATIVES)]}
"""The part of a configuration's schema that says which fields it must have."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def publish_component(converter: OpenAPIConverter, field: fields.Field, **_: Any) -> dict[str, Any]:
    """Describe a `Component` field as any of its types. An attribute function for apispec."""
    if not isinstance(field, Component):
        return {}
    return {"anyOf": [converter.resolve_nested_schema(each) for each in COMPONENT_SCHEMAS.values()]}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a configuration.

    It is never stricter than `validation.validate`, but lacks rules that a schema cannot express.
    """
    # OpenAPI 3.1 uses the dialect of JSON Schema; nothing else of OpenAPI is used here. The
    # resolver returns no names, so that all schemas are inlined.
    document = APISpec("configuration", "0", "3.1.0")
    converter = OpenAPIConverter("3.1.0", schema_name_resolver=lambda _: None, spec=document)
    converter.add_attribute_function(publish_component)
    schema = converter.resolve_nested_schema(ConfigurationSchema)
    return {"$schema": DIALECT, "title": "Configuration of a tool", **schema, **REQUIRED}
