"""The fields of `build`: which values are valid, and the errors for others."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.configuration.helpers import errors, with_build
from tests.factories import configuration, reusing


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
def test_valid_build_fields_are_accepted(build: dict[str, Any]) -> None:
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
        ({"repository": "https://x.org:x/"}, "build.repository: must be a URL with a valid host"),
        ({"repository": "https://x.org:0/"}, "build.repository: must be a URL with a valid host"),
        ({"repository": "https://[::1/"}, "build.repository: must be a URL with a valid host"),
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
            "build.reuse_from: must name a component that has a repository, and there "
            'is none; not "web"',
        ),
    ],
)
def test_invalid_build_fields_are_reported_by_path(build: dict[str, Any], error: str) -> None:
    (found,) = errors(with_build(**build))
    assert found.startswith(f"components.web.{error}")


@pytest.mark.parametrize(
    "url",
    ["https://user:hunter2@x.org/a", "https://hunter2@x.org/a", "git://a:hunter2@x.org/a"],
)
def test_a_repository_with_user_information_is_rejected_and_not_repeated(url: str) -> None:
    (found,) = errors(with_build(repository=url))
    assert "without user information" in found
    assert "hunter2" not in found


@pytest.mark.parametrize("field", ["repository", "ref", "reuse_from"])
@pytest.mark.parametrize("wrap", [str, lambda url: [url], lambda url: {"url": url}])
def test_a_password_in_any_field_is_not_repeated(field: str, wrap: Callable[[str], Any]) -> None:
    (*found,) = errors(with_build(**{field: wrap("https://user:hunter2@x.org/a b")}))
    assert found
    assert "hunter2" not in str(found)


def test_an_at_sign_in_the_path_is_not_user_information() -> None:
    assert errors(with_build(repository="https://x.org/~me@home/a")) == []


def test_a_component_may_reuse_the_build_of_a_component_with_a_repository() -> None:
    assert errors(configuration(nightly=reusing("web"))) == []


@pytest.mark.parametrize("name", ["nowhere", "other", "nightly"])
def test_a_component_cannot_reuse_a_component_without_a_repository(name: str) -> None:
    (found,) = errors(configuration(other=reusing("web"), nightly=reusing(name)))
    assert found == (
        "components.nightly.build.reuse_from: must name a component that has a repository"
        f': web; not "{name}"'
    )


@pytest.mark.parametrize(
    "other", [{"ref": "main"}, {"repository": "https://x.org"}, {"use_latest_versions": True}]
)
def test_reuse_from_excludes_the_other_fields(other: dict[str, Any]) -> None:
    build = {"reuse_from": "web", **other}
    value = configuration(nightly={"build": build, "run": {"command": "x"}})
    (name,) = other
    assert errors(value) == [
        f"components.nightly.build.{name}: must be left out because reuse_from is given"
    ]
