"""The configuration over HTTP: stored and returned exactly as it was sent."""

import json
from pathlib import Path

import pytest
import yaml

from backends.stores.base import Rejected
from tests.factories import component, configuration
from tests.http.conftest import CONFIG, Client, data_of, errors_of, warnings
from tests.stores.counting import CountingStore

YAML = {"Content-Type": "application/yaml"}
JSON = {"Content-Type": "application/json"}


async def test_an_example_configuration_is_accepted_and_returned_unchanged(
    client: Client, example_configuration: Path
) -> None:
    body = example_configuration.read_bytes()
    posted = await client.post(CONFIG, data=body, headers=YAML)
    expected = json.dumps(yaml.safe_load(body))
    assert json.dumps(await data_of(posted)) == expected
    assert await warnings(posted) == []
    assert json.dumps(await data_of(await client.get(CONFIG))) == expected


async def test_a_configuration_is_returned_as_it_was_sent_with_unknown_fields(
    client: Client,
) -> None:
    given = {"z": {"y": 1, "a": None}, "components": {"z": component(), "a": component()}, "b": 1}
    posted = await client.post(CONFIG, json=given)
    assert await warnings(posted) == [
        "z: has no effect: unknown field",
        "b: has no effect: unknown field",
    ]
    assert json.dumps(await data_of(await client.get(CONFIG))) == json.dumps(given)


async def test_a_tool_has_no_configuration_at_first(client: Client) -> None:
    (error,) = await errors_of(await client.get(CONFIG), 404)
    assert "has no configuration" in error


async def test_a_later_configuration_replaces_the_earlier_one(client: Client) -> None:
    await client.post(CONFIG, json=configuration("first"))
    await client.post(CONFIG, json=configuration("second"))
    assert await data_of(await client.get(CONFIG)) == configuration("second")


async def test_delete_returns_the_configuration_and_removes_it(client: Client) -> None:
    await client.post(CONFIG, json=configuration())
    assert await data_of(await client.delete(CONFIG)) == configuration()
    await errors_of(await client.get(CONFIG), 404)
    await errors_of(await client.delete(CONFIG), 404)


@pytest.mark.parametrize(
    "content_type",
    ["application/yaml", "application/x-yaml", "text/yaml; charset=utf-8", "text/x-yaml"],
)
async def test_yaml_is_parsed_by_content_type(client: Client, content_type: str) -> None:
    body = yaml.safe_dump(configuration())
    posted = await client.post(CONFIG, data=body, headers={"Content-Type": content_type})
    assert await data_of(posted) == configuration()


@pytest.mark.parametrize(
    ("body", "headers", "position"),
    [
        (b'{"components": ', JSON, "line 1, column 16"),
        (b"components:\n\t- x", YAML, "line 2, column 1"),
        (b"", JSON, "line 1, column 1"),
        (b"\xff", JSON, "byte 0"),
    ],
)
async def test_a_syntax_error_is_a_bad_request_with_the_position(
    client: Client, body: bytes, headers: dict[str, str], position: str
) -> None:
    (error,) = await errors_of(await client.post(CONFIG, data=body, headers=headers), 400)
    assert position in error


@pytest.mark.parametrize("headers", [JSON, YAML], ids=["json", "yaml"])
async def test_deep_nesting_is_a_bad_request(client: Client, headers: dict[str, str]) -> None:
    (error,) = await errors_of(await client.post(CONFIG, data=b"[" * 200_000, headers=headers), 400)
    assert "nested" in error


async def test_all_errors_are_reported_by_path_with_warnings_about_fields_without_effect(
    client: Client,
) -> None:
    given = {"components": {"web": {"build": {"repo": "x"}, "run": {"port": "80"}}}}
    response = await client.post(CONFIG, json=given)
    errors = await errors_of(response, 422)
    assert [each.partition(":")[0] for each in errors] == [
        "components.web.build",
        "components.web.run.command",
        "components.web.run.port",
    ]
    assert await warnings(response) == ["components.web.build.repo: has no effect: unknown field"]


async def test_a_secret_in_a_repository_is_not_in_the_response(client: Client) -> None:
    web = {**component(), "build": {"repository": "https://me:hunter2@git.example.org/x"}}
    response = await client.post(CONFIG, json={"components": {"web": web}})
    await errors_of(response, 422)
    assert "hunter2" not in await response.text()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"components: {web: 2024-01-01}", "components.web: is a YAML timestamp"),
        (b"{components: {}, components: {}}", "components: is a duplicate key"),
        (b"{1: x}", "the configuration has a key that is not a string"),
        (b"x: .nan", "x: must be a finite number"),
        (b'x: "\\ud800"', "x: has a lone surrogate"),
    ],
)
async def test_yaml_values_without_json_equivalent_are_reported_by_path(
    client: Client, body: bytes, path: str
) -> None:
    errors = await errors_of(await client.post(CONFIG, data=body, headers=YAML), 422)
    assert errors[0].startswith(path)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/json; charset=latin-1", ""]
)
async def test_other_content_types_are_not_supported(client: Client, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    skipped = None if content_type else ["Content-Type"]
    response = await client.post(CONFIG, data=b"{}", headers=headers, skip_auto_headers=skipped)
    await errors_of(response, 415)


def padded(size: int) -> bytes:
    """A valid configuration of exactly `size` bytes."""
    text = json.dumps({**configuration(), "padding": ""}).encode()
    return text.replace(b'"padding": ""', b'"padding": "%s"' % (b"x" * (size - len(text))))


async def test_a_body_of_256_kibibytes_is_accepted(client: Client) -> None:
    response = await client.post(CONFIG, data=padded(256 * 1024), headers=JSON)
    await data_of(response)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_larger_body_is_rejected(client: Client, chunked: bool) -> None:
    body = padded(256 * 1024 + 1)
    response = await client.post(CONFIG, data=body, headers=JSON, chunked=chunked or None)
    (error,) = await errors_of(response, 413)
    assert "at most 262144 bytes" in error


async def test_a_rejection_by_the_store_is_a_conflict_with_its_message(
    client: Client, store: CountingStore
) -> None:
    async def reject() -> None:
        raise Rejected("exceeded quota: secrets=100")

    store.before["create"] = reject
    response = await client.post(CONFIG, json=configuration())
    assert await errors_of(response, 409) == ["exceeded quota: secrets=100"]


async def test_the_number_of_reported_problems_is_limited(client: Client) -> None:
    given = {"components": {f"_{n}": component() for n in range(150)}}
    errors = await errors_of(await client.post(CONFIG, json=given), 422)
    assert len(errors) == 101
    assert errors[-1] == "the configuration has more problems: only the first 100 are reported"
