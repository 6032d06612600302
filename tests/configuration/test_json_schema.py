"""The published JSON Schema is valid, and never stricter than the validation."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from components.configuration.json_schema import json_schema
from components.configuration.problems import InvalidConfiguration
from components.configuration.reading import Format, read
from components.configuration.validation import validate
from tests.factories import component, configuration, reusing


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def test_the_json_schema_is_valid() -> None:
    Draft202012Validator.check_schema(json_schema())


def test_example_configurations_match_the_schema(
    validator: Draft202012Validator, example_configuration: Path
) -> None:
    validator.validate(read(example_configuration.read_bytes(), Format.YAML))


@pytest.mark.parametrize(
    "value",
    [
        configuration(web=component(port="80")),
        configuration(web=component(schedule="@daily", retry=9) | {"component_type": "scheduled"}),
        {"components": {"web": {"build": {"repository": "ssh://x"}, "run": {"command": "x"}}}},
        {"components": {}},
        {"config_version": "v1beta1"},
        {"source_url": "ftp://git.example.org/config"},
        {"components": {f"c{n}": component() for n in range(201)}},
    ],
)
def test_the_schema_rejects_invalid_configurations(
    validator: Draft202012Validator, value: Any
) -> None:
    assert not validator.is_valid(value)


runs = st.dictionaries(
    st.sampled_from(["command", "port", "publish", "schedule", "retry", "cpu", "filelog", "x"]),
    st.sampled_from(["start", "/", "@daily", "61 * * * *", 80, 0, 1.5, "1", True, None]),
)
components = st.one_of(
    st.builds(lambda run: {**component(), "run": run}, runs),
    st.builds(
        lambda run, kind: {**component(), "run": run, "component_type": kind},
        runs,
        st.sampled_from(["continuous", "scheduled", "other"]),
    ),
    st.builds(reusing, st.sampled_from(["a", "b", "c"])),
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), components))
def test_valid_configurations_match_the_schema(parts: dict[str, Any]) -> None:
    value = {"components": parts}
    try:
        validate(value)
    except InvalidConfiguration:
        return
    Draft202012Validator(json_schema()).validate(value)
