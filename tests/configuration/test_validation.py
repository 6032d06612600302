"""What a configuration may say, and what people are told where it says something else."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from components.configuration.problems import InvalidConfiguration
from components.configuration.reading import Format, read
from components.configuration.validation import ineffective, validate
from tests.factories import component, configuration, reusing


def errors(value: Any) -> list[str]:
    """What is wrong with `value`, as people see it; empty where nothing is."""
    try:
        validate(value)
    except InvalidConfiguration as error:
        return [str(problem) for problem in error.problems]
    return []


def with_run(**run: Any) -> dict[str, Any]:
    """A configuration of one component, whose `run` is added to."""
    return configuration(web=component(**run))


def with_build(**build: Any) -> dict[str, Any]:
    """A configuration of one component, whose `build` is replaced."""
    return {"components": {"web": {"build": build, "run": {"command": "start"}}}}


def test_real_configurations_are_valid_and_all_of_them_has_an_effect(
    real_configuration: Path,
) -> None:
    value = read(real_configuration.read_bytes(), Format.YAML)
    assert errors(value) == []
    assert ineffective(value) == ()


def test_validating_changes_nothing(real_configuration: Path) -> None:
    value = read(real_configuration.read_bytes(), Format.YAML)
    before = deepcopy(value)
    validate(value)
    assert value == before


@pytest.mark.parametrize(
    "run",
    [
        {"port": 8000, "port_protocol": "tcp", "publish": "/", "health_check_http": "/health"},
        {"port": 53, "port_protocol": "udp", "health_check_script": "./check"},
        {"replicas": 2, "memory": "1Gi", "cpu": "1", "mount": "all", "emails": "onfailure"},
        {"memory": "512Mi", "cpu": "500m"},
        {"memory": "1e9", "cpu": ".5"},
        {"filelog": True, "filelog_stdout": "/logs/out", "filelog_stderr": "err.log"},
        {"schedule": "@daily", "timeout": 0, "retry": 5},
        {"schedule": "*/15 2-4 1,15 jan MON"},
        {"schedule": "13 9 * * *"},
    ],
)
def test_what_the_table_of_run_fields_allows_is_valid(run: dict[str, Any]) -> None:
    assert errors(with_run(**run)) == []


@pytest.mark.parametrize(
    ("run", "error"),
    [
        ({"command": 5}, "command: must be a string, not 5: put it in quotes"),
        ({"command": ["a"]}, "command: must be a string, not a list"),
        ({"command": None}, "command: must not be null: leave it out instead"),
        ({"command": "  "}, 'command: must be a command, not "  "'),
        ({"cpu": "1 GHz"}, 'cpu: must be a Kubernetes quantity such as "500m" or "2", not "1 GHz"'),
        ({"cpu": "-1"}, "cpu: must be a Kubernetes quantity"),
        ({"memory": 1}, "memory: must be a string, not 1: put it in quotes"),
        ({"memory": "1Gi\n"}, 'memory: must be a Kubernetes quantity such as "512Mi"'),
        ({"mount": "some"}, 'mount: must be "none" or "all", not "some"'),
        ({"emails": "never"}, 'emails: must be "none" or "all" or "onfinish" or "onfailure"'),
        ({"filelog": "yes"}, 'filelog: must be true or false, not "yes"'),
        ({"filelog_stdout": ""}, 'filelog_stdout: must be a path, not ""'),
        ({"port": 0}, "port: must be a whole number, 1 to 65535, not 0"),
        ({"port": 65536}, "port: must be a whole number, 1 to 65535, not 65536"),
        ({"port": "80"}, 'port: must be a whole number, 1 to 65535, not "80"'),
        ({"port": True}, "port: must be a whole number, 1 to 65535, not true"),
        ({"port": 80.0}, "port: must be a whole number, 1 to 65535, not 80.0"),
        ({"port_protocol": "sctp"}, 'port_protocol: must be "tcp" or "udp", not "sctp"'),
        ({"port": 80, "publish": "/a"}, 'publish: must be "/", not "/a"'),
        ({"publish": "/"}, "publish: needs a tcp port: give the component's port"),
        ({"health_check_http": "/"}, "health_check_http: needs a tcp port"),
        (
            {"port": 53, "port_protocol": "udp", "health_check_http": "/"},
            "health_check_http: needs a tcp port",
        ),
        (
            {"port": 80, "health_check_http": "health"},
            'health_check_http: must be a path that begins with "/", not "health"',
        ),
        (
            {"port": 80, "health_check_http": "/", "health_check_script": "x"},
            "health_check_script: cannot be given beside health_check_http: keep one",
        ),
        ({"replicas": 0}, "replicas: must be a whole number, 1 or more, not 0"),
        ({"schedule": "@often"}, "schedule: must be five cron fields (minute, hour, day, month"),
        ({"schedule": "* * * *"}, "schedule: must be five cron fields"),
        ({"schedule": "* * * * * *"}, "schedule: must be five cron fields"),
        ({"schedule": "61 * * * *"}, 'schedule: has a bad minute: "61 * * * *"'),
        ({"schedule": "* * * * FOO"}, "schedule: has a bad day-of-week"),
        ({"schedule": "0 0 L * *"}, "schedule: must be five cron fields"),
        ({"schedule": None}, "schedule: must not be null"),
        ({"schedule": "@daily", "timeout": -1}, "timeout: must be a whole number, 0 or more"),
        ({"schedule": "@daily", "retry": 6}, "retry: must be a whole number, 0 to 5, not 6"),
    ],
)
def test_a_bad_run_field_is_an_error_by_its_full_path(run: dict[str, Any], error: str) -> None:
    (found,) = errors(with_run(**run))
    assert found.startswith(f"components.web.run.{error}")


@pytest.mark.parametrize(
    "build",
    [
        {"repository": "https://git.example.org/a.git"},
        {"repository": "http://git.example.org:8080/a", "ref": "refs/tags/v1"},
        {"repository": "git://git.example.org/a", "ref": "0123abc"},
        {"repository": "https://[2001:db8::1]/a"},
        {"repository": "https://x.org/a", "use_latest_versions": True},
        {"repository": "https://x.org/a", "use_deprecated_versions": False},
    ],
)
def test_what_can_be_built_is_valid(build: dict[str, Any]) -> None:
    assert errors(with_build(**build)) == []


@pytest.mark.parametrize(
    ("build", "error"),
    [
        ({}, "build: needs a repository, or reuse_from with a component's name"),
        ({"repository": None}, "build.repository: must not be null"),
        ({"repository": 1}, "build.repository: must be a string, not 1"),
        ({"repository": "ssh://x.org/a"}, "build.repository: must be an http, https or git URL"),
        ({"repository": "git@x.org:a"}, "build.repository: must be an http, https or git URL"),
        ({"repository": "/etc"}, "build.repository: must be an http, https or git URL"),
        ({"repository": "https://"}, "build.repository: must be an http, https or git URL"),
        ({"repository": "https://x.org/a b"}, "build.repository: must be an http, https or git"),
        ({"repository": "https://x.org/a\n"}, "build.repository: must be an http, https or git"),
        ({"repository": "https://x.org:x/"}, "build.repository: must be a URL whose host, and"),
        ({"repository": "https://x.org:0/"}, "build.repository: must be a URL whose host, and"),
        ({"repository": "https://[::1/"}, "build.repository: must be a URL whose host, and port"),
        (
            {"repository": "https://x.org", "ref": "-x"},
            "build.ref: must be a branch, tag or commit",
        ),
        ({"repository": "https://x.org", "ref": "a b"}, "build.ref: must be a branch"),
        ({"repository": "https://x.org", "ref": "a\n"}, "build.ref: must be a branch"),
        ({"repository": "https://x.org", "ref": "a\x85b"}, "build.ref: must be a branch"),
        ({"repository": "https://x.org", "ref": ""}, "build.ref: must be a branch"),
        (
            {"repository": "https://x.org", "use_latest_versions": 1},
            "build.use_latest_versions: must be true or false, not 1",
        ),
        ({"reuse_from": 5}, "build.reuse_from: must be a string, not 5"),
        (
            {"reuse_from": "web"},
            "build.reuse_from: must name a component that has a repository of its own, and there "
            'is none; not "web"',
        ),
    ],
)
def test_a_bad_build_is_an_error_by_its_full_path(build: dict[str, Any], error: str) -> None:
    (found,) = errors(with_build(**build))
    assert found.startswith(f"components.web.{error}")


@pytest.mark.parametrize(
    "url",
    ["https://user:hunter2@x.org/a", "https://hunter2@x.org/a", "git://a:hunter2@x.org/a"],
)
def test_a_repository_with_user_information_is_refused_and_not_repeated(url: str) -> None:
    (found,) = errors(with_build(repository=url))
    assert "without user information" in found
    assert "hunter2" not in found


@pytest.mark.parametrize("field", ["repository", "ref", "reuse_from"])
@pytest.mark.parametrize("wrap", [str, lambda url: [url], lambda url: {"url": url}])
def test_a_password_is_not_repeated_wherever_it_stands(
    field: str, wrap: Callable[[str], Any]
) -> None:
    (*found,) = errors(with_build(**{field: wrap("https://user:hunter2@x.org/a b")}))
    assert found
    assert "hunter2" not in str(found)


def test_an_at_sign_in_the_path_is_no_user_information() -> None:
    assert errors(with_build(repository="https://x.org/~me@home/a")) == []


def test_a_component_may_reuse_the_build_of_one_that_has_a_source() -> None:
    assert errors(configuration(nightly=reusing("web"))) == []


@pytest.mark.parametrize("name", ["nowhere", "other", "nightly"])
def test_a_component_cannot_reuse_what_has_no_source(name: str) -> None:
    (found,) = errors(configuration(other=reusing("web"), nightly=reusing(name)))
    assert found == (
        "components.nightly.build.reuse_from: must name a component that has a repository of its "
        f'own: web; not "{name}"'
    )


@pytest.mark.parametrize(
    "other", [{"ref": "main"}, {"repository": "https://x.org"}, {"use_latest_versions": True}]
)
def test_reuse_from_excludes_the_other_fields(other: dict[str, Any]) -> None:
    build = {"reuse_from": "web", **other}
    value = configuration(nightly={"build": build, "run": {"command": "x"}})
    (name,) = other
    assert errors(value) == [
        f"components.nightly.build.{name}: must be left out where reuse_from is given"
    ]


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


def test_two_hundred_components_are_valid() -> None:
    assert errors({"components": {f"c{n}": component() for n in range(200)}}) == []


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, "the configuration must be a mapping"),
        ([], "the configuration must be a mapping"),
        ("text", "the configuration must be a mapping"),
        ({}, "components: is required, and must be a mapping"),
        ({"components": None}, "components: must not be null: leave it out instead"),
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
