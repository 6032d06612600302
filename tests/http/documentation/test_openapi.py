"""The OpenAPI document is valid, complete, and shown by Swagger UI."""

import re
from typing import Any

import pytest
from aiohttp import ClientResponse
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator

from components.configuration.validation import validate
from components.http.app import create_app
from components.http.identity.callers import Permission
from components.http.identity.needs import NEEDS, PUBLIC_PATHS
from components.settings import Settings
from tests.http.conftest import Client


@pytest.fixture
async def document(client: Client) -> Any:
    return await (await client.get("/openapi.json")).json()


async def test_the_document_is_valid_openapi_3_0_3(document: Any) -> None:
    assert document["openapi"] == "3.0.3"
    OpenAPIV30SpecValidator(document).validate()


async def test_the_document_has_no_envelope(document: Any) -> None:
    assert "messages" not in document


async def test_the_document_has_every_route(document: Any) -> None:
    documented = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    routes = {
        (route.method, route.resource.canonical)
        for route in create_app(Settings()).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    undocumented = {path for _, path in routes - documented}
    assert undocumented == {"/openapi.json", "/docs", "/docs/", "/docs/static/{name}"}
    assert documented <= routes


async def test_protected_operations_require_a_subject_or_a_token_and_public_ones_nothing(
    document: Any,
) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            either: list[Any] = [{"subject": []}, {"subject": [], "caller": []}]
            if NEEDS[method.upper(), path] is not Permission.MANAGE:
                either.append({"token": []})
            assert operation["security"] == ([] if path in PUBLIC_PATHS else either)


async def test_operation_ids_are_unique(document: Any) -> None:
    ids = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert len(ids) == len(set(ids))


async def test_a_configuration_can_be_sent_as_json_or_yaml(document: Any) -> None:
    body = document["paths"]["/api/v1/tool/{toolname}/config"]["post"]["requestBody"]
    assert body["content"].keys() == {"application/json", "application/yaml"}


async def test_the_limits_of_component_names_are_documented(document: Any) -> None:
    names = document["components"]["schemas"]["Deploy"]["properties"]["components"]
    assert (names["minItems"], names["maxItems"], names["items"]["maxLength"]) == (1, 200, 63)


async def test_examples_are_valid(document: Any) -> None:
    schemas = document["components"]["schemas"]
    validate(schemas["Configuration"]["example"])
    for name in ("Deployment", "ErrorResponse", "Messages"):
        validator = OAS30Validator({"$ref": f"#/components/schemas/{name}", **document})
        validator.validate(schemas[name]["example"])


@pytest.fixture(params=["/docs", "/docs/"])
async def page(client: Client, request: pytest.FixtureRequest) -> ClientResponse:
    """The page of Swagger UI."""
    response: ClientResponse = await client.get(request.param)
    return response


async def test_swagger_ui_loads_the_document_and_nothing_from_other_hosts(
    client: Client, page: ClientResponse
) -> None:
    text = await page.text()
    linked = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(linked) >= 3
    assert all(path.startswith("/docs/static/") for path in linked)
    loaded = {path: await client.get(path) for path in linked}
    assert {each.status for each in loaded.values()} == {200}
    start = await loaded["/docs/static/start.js"].text()
    assert 'url: "/openapi.json"' in start
    assert "validatorUrl: null" in start


async def test_the_content_security_policy_of_the_page_allows_own_scripts_only(
    page: ClientResponse,
) -> None:
    text = await page.text()
    policy = dict(
        each.strip().split(" ", 1) for each in page.headers["Content-Security-Policy"].split(";")
    )
    assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in str(policy)
    # What such a policy would not run or apply is not there.
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", text, flags=re.DOTALL)
    assert len(scripts) == 2
    assert not any(scripts)
    assert not re.search(r"<style|\bstyle=|\bon\w+=|javascript:", text)


async def test_static_files_have_the_content_type_that_browsers_require(client: Client) -> None:
    for name, expected in (("start.js", "javascript"), ("swagger-ui.css", "text/css")):
        response = await client.get(f"/docs/static/{name}")
        assert expected in response.headers["Content-Type"]


@pytest.mark.parametrize("name", ["nothing.js", "a" * 3000, "%2e%2e%2fcore.py"])
async def test_unknown_static_files_are_not_found(client: Client, name: str) -> None:
    assert (await client.get(f"/docs/static/{name}")).status == 404
