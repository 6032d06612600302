"""Errors of parameters and fields are the service's own: they name the place and allowed values.

The parameters and fields are those of the OpenAPI document, so that new ones are tested too.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from components.http.app import create_app
from components.http.documentation.document import document_of
from components.http.requests.deploy_requests import BODIES
from components.settings import Settings
from tests.factories import TOOL
from tests.http.conftest import DEPLOY, Client, errors_of

PATHS = {"Deploy": DEPLOY, "RepeatedDeploy": f"{DEPLOY}/latest/retry"}


def parameters() -> Iterator[tuple[str, str]]:
    """Yield the path and the name of every query parameter."""
    for path, item in document_of(create_app(Settings()))["paths"].items():
        for each in item.get("get", {}).get("parameters", ()):
            if each["in"] == "query":
                yield path.format(toolname=TOOL, deploy_id="latest", component="web"), each["name"]


def fields() -> Iterator[tuple[str, str]]:
    """Yield the path and the name of every field of a body."""
    for name, schema in BODIES.items():
        for each, field in schema().fields.items():
            yield PATHS[name], field.data_key or each


def test_there_are_parameters_and_fields() -> None:
    assert {name for _, name in parameters()} >= {"wait", "follow"}
    assert {name for _, name in fields()} >= {"components", "description", "when-busy"}


@pytest.mark.parametrize("value", ["", "long", "x" * 5000, "-1e999", "nan", "\x1b"])
@pytest.mark.parametrize(("path", "name"), tuple(parameters()))
async def test_errors_of_query_parameters_name_the_allowed_values(
    client: Client, path: str, name: str, value: str
) -> None:
    (error,) = await errors_of(await client.get(path, params={name: value}), 400)
    assert re.match(rf"{name}: must be .+, not ", error)
    assert len(error) < 200


@pytest.mark.parametrize("value", [None, 1.5, [], {"a": 1}, [[]], [None]])
@pytest.mark.parametrize(("path", "name"), tuple(fields()))
async def test_errors_of_body_fields_name_the_allowed_values(
    client: Client, path: str, name: str, value: Any
) -> None:
    errors = await errors_of(await client.post(path, json={name: value}), 400)
    for each in errors:
        assert re.match(rf"{name}(\[0\])?: must (be .+, not |not be null: )", each)
