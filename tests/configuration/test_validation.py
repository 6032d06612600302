"""What a configuration may say, and what people are told where it says something else."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from components.configuration.problems import InvalidConfiguration
from components.configuration.reading import Format, read
from components.configuration.validation import ineffective, validate
from tests.configuration.checking import errors, with_build, with_run
from tests.factories import component, configuration, reusing


def test_example_configurations_are_valid_and_all_of_them_has_an_effect(
    example_configuration: Path,
) -> None:
    value = read(example_configuration.read_bytes(), Format.YAML)
    assert errors(value) == []
    assert ineffective(value) == ()


def test_validating_changes_nothing(example_configuration: Path) -> None:
    value = read(example_configuration.read_bytes(), Format.YAML)
    before = deepcopy(value)
    validate(value)
    assert value == before


@pytest.mark.parametrize("name", ["", "Web", "-web", "web-", "we_b", "a.b", "web\n", "a" * 64, "ø"])
def test_a_component_needs_a_dns_label_for_a_name(name: str) -> None:
    (found,) = errors({"components": {name: component()}})
    assert "must be a DNS label" in found


def test_a_name_of_sixty_three_characters_is_a_dns_label() -> None:
    assert errors({"components": {"a" * 63: component()}}) == []


@pytest.mark.parametrize("count", [0, 201])
def test_there_are_one_to_two_hundred_components(count: int) -> None:
    value = {"components": {f"c{n}": component() for n in range(count)}}
    assert errors(value) == [f"components: must have 1 to 200 components, not {count}"]


def test_too_many_components_are_told_before_what_each_has_wrong() -> None:
    value = {"components": {f"_{n}": reusing("nowhere") for n in range(5000)}}
    assert errors(value) == ["components: must have 1 to 200 components, not 5000"]


def test_a_hundred_problems_are_told_and_that_there_are_more() -> None:
    found = errors({"components": {f"c{n}": None for n in range(150)}})
    assert len(found) == 101
    assert found[-1] == "the configuration has more to be told: only the first 100 are"


def test_a_hundred_fields_without_effect_are_told_and_that_there_are_more() -> None:
    found = warned({**configuration(), **{f"component{n}": 1 for n in range(150)}})
    assert len(found) == 101
    assert found[-1] == "the configuration has more to be told: only the first 100 are"


def test_two_hundred_components_are_valid() -> None:
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
def test_what_is_not_a_configuration_at_all_is_told(value: Any, error: str) -> None:
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
def test_a_part_of_a_component_that_is_something_else_is_told(
    part: str, value: Any, error: str
) -> None:
    (found,) = errors({"components": {"web": {**component(), part: value}}})
    assert found.startswith(f"components.web.{error}")


@pytest.mark.parametrize("part", ["build", "run"])
def test_a_component_needs_its_parts(part: str) -> None:
    incomplete = component()
    del incomplete[part]
    (found,) = errors({"components": {"web": incomplete}})
    assert found.startswith(f"components.web.{part}: is required: ")


def test_a_scheduled_component_needs_a_schedule() -> None:
    value = {"components": {"job": {**component(), "component_type": "scheduled"}}}
    (found,) = errors(value)
    assert found.startswith("components.job.run.schedule: is required")


def test_everything_that_is_wrong_is_told_at_once() -> None:
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
    """What has no effect, as people see it, in a value that is otherwise valid."""
    assert errors(value) == []
    return [str(each) for each in ineffective(value)]


@pytest.mark.parametrize(
    ("place", "path", "nearest"),
    [
        (lambda value: value, "component", "components"),
        (lambda value: value["components"]["web"], "biuld", "build"),
        (lambda value: value["components"]["web"]["build"], "reff", "ref"),
        (lambda value: value["components"]["web"]["run"], "replica", "replicas"),
    ],
)
def test_an_unknown_field_is_kept_and_told_with_the_nearest_known_one(
    place: Callable[[Any], dict[str, Any]], path: str, nearest: str
) -> None:
    value = configuration()
    place(value)[path] = "x"
    (warning,) = warned(value)
    assert warning.endswith(f"{path}: is not known: kept, without effect; did you mean {nearest}?")


def test_an_unknown_field_like_no_other_is_told_alone() -> None:
    assert warned({**configuration(), "xyz": 1}) == ["xyz: is not known: kept, without effect"]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            {"schedule": "@daily", "port": "anything"},
            "components.web.run.port: is a field of continuous components; this one is scheduled: "
            "kept, without effect",
        ),
        (
            {"retry": "anything"},
            "components.web.run.retry: is a field of scheduled components; this one is continuous: "
            "kept, without effect",
        ),
    ],
)
def test_a_field_of_the_other_type_is_kept_and_told(run: dict[str, Any], message: str) -> None:
    assert warned(with_run(**run)) == [message]


def test_what_component_type_says_counts_more_than_a_schedule() -> None:
    web = {**component(schedule="anything"), "component_type": "continuous"}
    (warning,) = warned({"components": {"web": web}})
    assert "is a field of scheduled components" in warning


def test_an_error_comes_with_what_has_no_effect_besides() -> None:
    build = {"repo": "https://x.org"}
    with pytest.raises(InvalidConfiguration) as caught:
        validate(with_build(**build))
    assert list(map(str, caught.value.hints)) == [
        "components.web.build.repo: is not known: kept, without effect"
    ]


@pytest.mark.parametrize("value", [None, [], {"components": 1}, {"components": {"web": 1}}])
def test_looking_for_what_has_no_effect_bears_any_value(value: Any) -> None:
    assert ineffective(value) == ()
