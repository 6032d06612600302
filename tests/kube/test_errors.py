"""What the API server's answers mean."""

import json
from typing import Any

import pytest
from kubernetes_asyncio.client import ApiException
from kubernetes_asyncio.config import ConfigException

from backends.kube.errors import (
    KubeAlreadyExists,
    KubeConflict,
    KubeError,
    KubeExpired,
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
    KubeOverQuota,
    KubeUnauthorized,
    KubeUnavailable,
    error_of,
    no_answer,
)

RBAC = (
    'secrets is forbidden: User "x" cannot create resource "secrets" in API group "" '
    'in the namespace "tool-a"'
)
QUOTA = 'secrets "one" is forbidden: exceeded quota: few, requested: secrets=1'
NOT_OUR_FORM = [b"", b"<html>a proxy</html>", b"[]", b"\xff", b"[" * 100_000, b'{"message": "no"}']
TERMINATING = {"causes": [{"reason": "NamespaceTerminating"}]}
TOO_LARGE = {"causes": [{"reason": "ResourceVersionTooLarge"}]}


def answered(**body: Any) -> bytes:
    """A `Status`, as the API server itself writes it."""
    return json.dumps({"apiVersion": "v1", "kind": "Status", **body}).encode()


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
        (401, {"message": "Unauthorized"}, KubeUnauthorized),
        (403, {"message": QUOTA}, KubeOverQuota),
        (403, {"message": "no policy allows this"}, KubeInvalid),
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
    assert type(error_of(status, answered(**body))) is expected


def test_the_message_is_the_servers_own() -> None:
    assert str(error_of(403, answered(message=QUOTA))) == QUOTA


def test_a_missing_right_is_named() -> None:
    told = str(error_of(403, answered(message=RBAC)))
    assert told.startswith("missing right: create secrets")


@pytest.mark.parametrize("details", ["text", {"causes": ["text"]}, {"causes": 5}])
def test_details_of_another_form_are_passed_over(details: Any) -> None:
    assert str(error_of(500, answered(details=details, message="busy"))) == "busy"


@pytest.mark.parametrize("body", NOT_OUR_FORM)
def test_an_answer_of_something_in_between_is_told_by_its_status(body: bytes) -> None:
    assert str(error_of(502, body)).endswith("or something before it, answered 502")


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 413, 422])
@pytest.mark.parametrize("body", NOT_OUR_FORM)
def test_only_the_api_servers_own_word_is_final(status: int, body: bytes) -> None:
    assert type(error_of(status, body)) is KubeUnavailable


def test_who_is_not_let_in_is_so_whoever_has_written_it() -> None:
    assert type(error_of(401, b"<html>a proxy</html>")) is KubeUnauthorized


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OSError("connection refused"), "does not answer: connection refused"),
        (TimeoutError(), "does not answer: no answer in time"),
        (ValueError("Newline in headers"), "cannot be asked: ValueError: Newline in headers"),
        (ConfigException("Token file exists but empty."), "cannot be asked: ConfigException: Tok"),
        (ApiException(reason="no"), "cannot be asked: ApiException"),
        (TypeError("bytes"), "cannot be asked: TypeError: bytes"),
        (KeyError("items"), "cannot be asked: KeyError: 'items'"),
    ],
)
def test_whatever_the_client_raises_is_that_there_is_no_answer(
    raised: Exception, told: str
) -> None:
    with pytest.raises(KubeUnavailable, match=told), no_answer():
        raise raised


def test_what_the_server_has_said_stays_what_it_is() -> None:
    with pytest.raises(KubeNotFound), no_answer():
        raise KubeNotFound("no")


def test_what_may_pass_says_after_how_long() -> None:
    error = error_of(429, b"", 7.0)
    assert isinstance(error, KubeUnavailable)
    assert error.retry_after == 7.0
