"""The OpenAPI document is valid, complete, and shown by Swagger UI."""

import re
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator

from components.configuration.validation import validate
from components.http.access import OPEN_PATHS
from components.http.app import create_app
from components.settings import Settings
from tests.http.conftest import Client


@pytest.fixture
async def document(client: Client) -> Any:
    return await (await client.get("/openapi.json")).json()


async def test_it_is_valid_openapi_3_0_3(document: Any) -> None:
    assert document["openapi"] == "3.0.3"
    OpenAPIV30SpecValidator(document).validate()


async def test_it_is_not_wrapped(document: Any) -> None:
    assert "messages" not in document


async def test_it_has_every_route(document: Any) -> None:
    documented = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    routes = {
        (route.method, route.resource.canonical)
        for route in create_app(Settings()).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    undocumented = {path for _, path in routes - documented}
    assert undocumented == {"/openapi.json", "/docs", "/docs/static/{name}"}
    assert documented <= routes


async def test_guarded_operations_say_so_and_open_ones_need_nothing(document: Any) -> None:
    for path, item in document["paths"].items():
        for operation in item.values():
            expected: list[Any] = [] if path in OPEN_PATHS else [{"subject": []}]
            assert operation["security"] == expected


async def test_operations_have_ids_of_their_own(document: Any) -> None:
    ids = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert len(ids) == len(set(ids))


async def test_a_configuration_can_be_sent_as_json_or_yaml(document: Any) -> None:
    body = document["paths"]["/api/v1/tool/{toolname}/config"]["post"]["requestBody"]
    assert body["content"].keys() == {"application/json", "application/yaml"}


async def test_examples_are_valid(document: Any) -> None:
    schemas = document["components"]["schemas"]
    validate(schemas["Configuration"]["example"])
    for name in ("Deployment", "ErrorResponse", "Messages"):
        validator = OAS30Validator({"$ref": f"#/components/schemas/{name}", **document})
        validator.validate(schemas[name]["example"])


async def test_swagger_ui_shows_it_and_loads_nothing_from_elsewhere(client: Client) -> None:
    page = await (await client.get("/docs")).text()
    assert 'url: "/openapi.json"' in page
    assert "validatorUrl: null" in page
    linked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(linked) >= 2
    for path in linked:
        assert (await client.get(path)).status == 200


@pytest.mark.parametrize("name", ["nothing.js", "a" * 3000, "..", "%2e%2e%2fcore.py"])
async def test_nothing_else_is_served_beside_it(client: Client, name: str) -> None:
    assert (await client.get(f"/docs/static/{name}")).status == 404
