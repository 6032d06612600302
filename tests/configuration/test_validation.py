"""Validating a configuration: components, parts, warnings and limits."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from components.configuration.problems import InvalidConfiguration
from components.configuration.reading import Format, read
from components.configuration.validation import ineffective, validate
from tests.configuration.helpers import errors, with_build, with_run
from tests.factories import component, configuration, reusing


def test_example_configurations_are_valid_without_warnings(
    example_configuration: Path,
) -> None:
    value = read(example_configuration.read_bytes(), Format.YAML)
    assert errors(value) == []
    assert ineffective(value) == ()


def test_validation_does_not_change_the_value(example_configuration: Path) -> None:
    value = read(example_configuration.read_bytes(), Format.YAML)
    before = deepcopy(value)
    validate(value)
    assert value == before


@pytest.mark.parametrize("name", ["", "Web", "-web", "web-", "we_b", "a.b", "web\n", "a" * 64, "ø"])
def test_a_name_that_is_not_a_dns_label_is_rejected(name: str) -> None:
    (found,) = errors({"components": {name: component()}})
    assert "must be a DNS label" in found


def test_a_name_of_63_characters_is_accepted() -> None:
    assert errors({"components": {"a" * 63: component()}}) == []


@pytest.mark.parametrize("count", [0, 201])
def test_no_component_and_more_than_200_are_rejected(count: int) -> None:
    value = {"components": {f"c{n}": component() for n in range(count)}}
    assert errors(value) == [f"components: must have 1 to 200 components, not {count}"]


def test_too_many_components_are_reported_without_their_other_problems() -> None:
    value = {"components": {f"_{n}": reusing("nowhere") for n in range(5000)}}
    assert errors(value) == ["components: must have 1 to 200 components, not 5000"]


def test_at_most_100_problems_are_reported_and_that_there_are_more() -> None:
    found = errors({"components": {f"c{n}": None for n in range(150)}})
    assert len(found) == 101
    assert found[-1] == "the configuration has more problems: only the first 100 are reported"


def test_at_most_100_warnings_are_reported_and_that_there_are_more() -> None:
    found = warned({**configuration(), **{f"component{n}": 1 for n in range(150)}})
    assert len(found) == 101
    assert found[-1] == "the configuration has more problems: only the first 100 are reported"


def test_200_components_are_accepted() -> None:
    assert errors({"components": {f"c{n}": component() for n in range(200)}}) == []


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, "the configuration must be a mapping"),
        ([], "the configuration must be a mapping"),
        ("text", "the configuration must be a mapping"),
        ({}, "components: is required, and must be a mapping"),
        ({"components": None}, "components: must be a mapping, not null"),
        ({"components": []}, "components: must be a mapping"),
        ({"components": {"web": None}}, "components.web: must be a mapping, not null"),
        ({"components": {"web": "x"}}, "components.web: must be a mapping"),
        ({**configuration(), "config_version": "v2"}, 'config_version: must be "v1beta1"'),
    ],
)
def test_a_value_of_the_wrong_type_is_reported(value: Any, error: str) -> None:
    (found,) = errors(value)
    assert found.startswith(error)


@pytest.mark.parametrize(
    ("part", "value", "error"),
    [
        ("build", None, "build: must be a mapping, not null"),
        ("build", [], "build: must be a mapping"),
        ("run", "start", "run: must be a mapping"),
        ("component_type", "sometimes", 'component_type: must be "continuous" or "scheduled"'),
        ("component_type", {}, "component_type: must be a string, not a mapping"),
    ],
)
def test_a_part_of_a_component_with_the_wrong_type_is_reported(
    part: str, value: Any, error: str
) -> None:
    (found,) = errors({"components": {"web": {**component(), part: value}}})
    assert found.startswith(f"components.web.{error}")


@pytest.mark.parametrize("part", ["build", "run"])
def test_build_and_run_are_required(part: str) -> None:
    incomplete = component()
    del incomplete[part]
    (found,) = errors({"components": {"web": incomplete}})
    assert found.startswith(f"components.web.{part}: is required: ")


def test_a_scheduled_component_needs_a_schedule() -> None:
    value = {"components": {"job": {**component(), "component_type": "scheduled"}}}
    (found,) = errors(value)
    assert found.startswith("components.job.run.schedule: is required")


def test_all_errors_are_reported_at_once() -> None:
    value = {
        "config_version": "v0",
        "components": {
            "Web": component(port="x"),
            "job": {"build": {"ref": "-"}, "run": {"schedule": "never", "retry": 9}},
        },
    }
    assert [each.partition(": ")[0] for each in errors(value)] == [
        "config_version",
        "components.Web",
        "components.Web.run.port",
        "components.job.build.ref",
        "components.job.build",
        "components.job.run.command",
        "components.job.run.schedule",
        "components.job.run.retry",
    ]


def warned(value: Any) -> list[str]:
    """Return the warnings about fields without effect in a valid value."""
    assert errors(value) == []
    return [str(each) for each in ineffective(value)]


@pytest.mark.parametrize(
    ("parent", "path", "nearest"),
    [
        (lambda value: value, "component", "components"),
        (lambda value: value["components"]["web"], "biuld", "build"),
        (lambda value: value["components"]["web"]["build"], "reff", "ref"),
        (lambda value: value["components"]["web"]["run"], "replica", "replicas"),
    ],
)
def test_an_unknown_field_is_reported_with_the_most_similar_known_one(
    parent: Callable[[Any], dict[str, Any]], path: str, nearest: str
) -> None:
    value = configuration()
    parent(value)[path] = "x"
    (warning,) = warned(value)
    assert warning.endswith(f"{path}: has no effect: unknown field; did you mean {nearest}?")


def test_an_unknown_field_unlike_any_known_one_is_reported_without_a_suggestion() -> None:
    assert warned({**configuration(), "xyz": 1}) == ["xyz: has no effect: unknown field"]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            {"schedule": "@daily", "port": "anything"},
            "components.web.run.port: has no effect: it is a field of continuous components, and "
            "this one is scheduled",
        ),
        (
            {"retry": "anything"},
            "components.web.run.retry: has no effect: it is a field of scheduled components, and "
            "this one is continuous",
        ),
    ],
)
def test_a_field_of_the_other_component_type_is_reported(run: dict[str, Any], message: str) -> None:
    assert warned(with_run(**run)) == [message]


def test_component_type_takes_precedence_over_a_schedule() -> None:
    web = {**component(schedule="anything"), "component_type": "continuous"}
    (warning,) = warned({"components": {"web": web}})
    assert "it is a field of scheduled components" in warning


def test_an_error_also_lists_fields_without_effect() -> None:
    build = {"repo": "https://x.org"}
    with pytest.raises(InvalidConfiguration) as caught:
        validate(with_build(**build))
    assert list(map(str, caught.value.hints)) == [
        "components.web.build.repo: has no effect: unknown field"
    ]


@pytest.mark.parametrize("value", [None, [], {"components": 1}, {"components": {"web": 1}}])
def test_a_value_of_any_type_can_be_checked_for_fields_without_effect(value: Any) -> None:
    assert ineffective(value) == ()


@pytest.mark.parametrize(
    "url", ["https://git.example.org/tool.yaml", "http://[2001:db8::1]:8080/?a=b#c"]
)
def test_a_source_url_takes_the_place_of_components(url: str) -> None:
    assert errors({"source_url": url}) == []
    assert ineffective({"source_url": url}) == ()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("ftp://git.example.org/", "source_url: must be an http or https URL with a host"),
        ("git://git.example.org/", "source_url: must be an http or https URL with a host"),
        ("https://me:secret@git.example.org/", "source_url: must be an http or https URL"),
        ("https://git.example.org:0/", "source_url: must be a URL with a valid host"),
        ("/tool.yaml", "source_url: must be an http or https URL with a host"),
        ("", "source_url: must be an http or https URL with a host"),
        (5, "source_url: must be a string, not 5"),
        (None, "source_url: must not be null"),
        (f"https://git.example.org/{'a' * 2000}", "source_url: must have at most 2000"),
    ],
)
def test_a_source_url_is_an_http_url_without_user_information(url: Any, error: str) -> None:
    (found,) = errors({"source_url": url})
    assert found.startswith(error)
    assert "secret" not in found


def test_components_beside_a_source_url_have_no_effect_and_are_still_validated() -> None:
    value = {"source_url": "https://git.example.org/tool.yaml", **configuration()}
    assert [str(each) for each in ineffective(value)] == [
        "components: has no effect: each deployment fetches what source_url names"
    ]
    assert errors({**value, "components": {"web": {}}}) != []
