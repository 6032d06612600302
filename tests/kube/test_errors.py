"""The errors for the API server's responses."""

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
    client_errors,
    error_of,
)

RBAC = (
    'secrets is forbidden: User "x" cannot create resource "secrets" in API group "" '
    'in the namespace "tool-a"'
)
QUOTA = 'secrets "one" is forbidden: exceeded quota: few, requested: secrets=1'
NOT_A_STATUS = [b"", b"<html>a proxy</html>", b"[]", b"\xff", b"[" * 100_000, b'{"message": "no"}']
TERMINATING = {"causes": [{"reason": "NamespaceTerminating"}]}
TOO_LARGE = {"causes": [{"reason": "ResourceVersionTooLarge"}]}


def status_body(**body: Any) -> bytes:
    """A `Status`, as from the API server itself."""
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
def test_each_error_response_has_its_error(
    status: int, body: dict[str, Any], expected: type[KubeError]
) -> None:
    assert type(error_of(status, status_body(**body))) is expected


def test_the_message_is_that_of_the_server() -> None:
    assert str(error_of(403, status_body(message=QUOTA))) == QUOTA


def test_a_missing_permission_is_named() -> None:
    message = str(error_of(403, status_body(message=RBAC)))
    assert message.startswith("missing permission: create secrets")


@pytest.mark.parametrize("details", ["text", {"causes": ["text"]}, {"causes": 5}])
def test_details_in_another_format_are_ignored(details: Any) -> None:
    assert str(error_of(500, status_body(details=details, message="busy"))) == "busy"


@pytest.mark.parametrize("body", NOT_A_STATUS)
def test_a_response_of_a_proxy_is_reported_by_its_status(body: bytes) -> None:
    assert str(error_of(502, body)).endswith("or a proxy before it, responded with 502")


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 413, 422])
@pytest.mark.parametrize("body", NOT_A_STATUS)
def test_only_an_error_of_the_api_server_is_final(status: int, body: bytes) -> None:
    assert type(error_of(status, body)) is KubeUnavailable


def test_a_401_is_unauthorized_even_from_a_proxy() -> None:
    assert type(error_of(401, b"<html>a proxy</html>")) is KubeUnauthorized


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (OSError("connection refused"), "does not respond: connection refused"),
        (TimeoutError(), "does not respond: timeout"),
        (ValueError("Newline in headers"), "cannot be sent: ValueError: Newline in headers"),
        (ConfigException("Token file exists but empty."), "cannot be sent: ConfigException: Tok"),
        (ApiException(reason="no"), "cannot be sent: ApiException"),
        (TypeError("bytes"), "cannot be sent: TypeError: bytes"),
        (KeyError("items"), "cannot be sent: KeyError: 'items'"),
    ],
)
def test_any_error_of_the_client_library_is_unavailable(raised: Exception, message: str) -> None:
    with pytest.raises(KubeUnavailable, match=message), client_errors():
        raise raised


def test_an_error_of_the_server_is_unchanged() -> None:
    with pytest.raises(KubeNotFound), client_errors():
        raise KubeNotFound("no")


def test_a_transient_error_has_its_retry_after() -> None:
    error = error_of(429, b"", 7.0)
    assert isinstance(error, KubeUnavailable)
    assert error.retry_after == 7.0
