"""What the API server's answers mean."""

import json
from typing import Any

import pytest

from backends.kube.errors import (
    KubeAlreadyExists,
    KubeConflict,
    KubeError,
    KubeExpired,
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
    KubeUnavailable,
    error_of,
)

RBAC = (
    'secrets is forbidden: User "x" cannot create resource "secrets" in API group "" '
    'in the namespace "tool-a"'
)
QUOTA = 'secrets "one" is forbidden: exceeded quota: few, requested: secrets=1'
TERMINATING = {"causes": [{"reason": "NamespaceTerminating"}]}
TOO_LARGE = {"causes": [{"reason": "ResourceVersionTooLarge"}]}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, {"reason": "NotFound"}, KubeNotFound),
        (403, {"details": TERMINATING, "message": "is being terminated"}, KubeNotFound),
        (409, {"reason": "AlreadyExists"}, KubeAlreadyExists),
        (409, {"reason": "Conflict"}, KubeConflict),
        (410, {"reason": "Expired"}, KubeExpired),
        (504, {"reason": "Timeout", "details": TOO_LARGE}, KubeExpired),
        (403, {"message": RBAC}, KubeForbidden),
        (401, {"message": "Unauthorized"}, KubeForbidden),
        (403, {"message": QUOTA}, KubeInvalid),
        (422, {"message": "data: Too long"}, KubeInvalid),
        (413, {}, KubeInvalid),
        (400, {}, KubeInvalid),
        (429, {}, KubeUnavailable),
        (500, {}, KubeUnavailable),
        (503, {}, KubeUnavailable),
        (504, {"reason": "Timeout"}, KubeUnavailable),
        (418, {}, KubeUnavailable),
    ],
)
def test_each_answer_has_its_error(
    status: int, body: dict[str, Any], expected: type[KubeError]
) -> None:
    assert type(error_of(status, json.dumps(body).encode())) is expected


def test_the_message_is_the_servers_own() -> None:
    assert str(error_of(403, json.dumps({"message": QUOTA}).encode())) == QUOTA


def test_a_missing_right_is_named() -> None:
    assert str(error_of(403, json.dumps({"message": RBAC}).encode())).startswith(
        "missing right: create secrets"
    )


@pytest.mark.parametrize("details", ["text", {"causes": ["text"]}, {"causes": 5}])
def test_details_of_another_form_are_passed_over(details: Any) -> None:
    body = json.dumps({"details": details, "message": "busy"}).encode()
    assert str(error_of(500, body)) == "busy"


@pytest.mark.parametrize("body", [b"", b"<html>a proxy</html>", b"[]", b"\xff"])
def test_an_answer_of_something_in_between_is_told_by_its_status(body: bytes) -> None:
    assert str(error_of(502, body)) == "the API server answered 502"


def test_what_may_pass_says_after_how_long() -> None:
    error = error_of(429, b"", 7.0)
    assert isinstance(error, KubeUnavailable)
    assert error.retry_after == 7.0
