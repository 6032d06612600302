"""The error responses of the API server, translated in one place.

KubeError
├── KubeNotFound        404, and 403 in a namespace that is terminating
├── KubeAlreadyExists   409 AlreadyExists
├── KubeConflict        409 Conflict
├── KubeExpired         410: the continue token of a list has expired
├── KubeInvalid         400, 413, 422, and 403 by an admission plugin
│   └── KubeOverQuota   403 by a quota
├── KubeForbidden       403 by RBAC: names the missing verb and resource
│   └── KubeUnauthorized   401, from the API server or from a proxy
└── KubeUnavailable     no connection, timeout, 429, 5xx; a response from a proxy instead of the
                        API server; a request that could not be sent

Only a `Status` of the API server itself can mean that something does not exist or is forbidden.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from backends.retries import TransientError

_RBAC = re.compile(r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"')


class KubeError(Exception):
    """The base of all errors of a call to the API server.

    `repeated` means that an earlier attempt of the same call may have been executed.
    """

    repeated = False


class KubeNotFound(KubeError):
    """The object or its namespace does not exist, or the namespace is terminating."""


class KubeAlreadyExists(KubeError):
    """An object with this name already exists."""


class KubeConflict(KubeError):
    """The object has changed since the resourceVersion of the call."""


class KubeExpired(KubeError):
    """The continue token has expired, or the requested resourceVersion is unknown."""


class KubeInvalid(KubeError):
    """The API server rejects this object; the message is the server's."""


class KubeOverQuota(KubeInvalid):
    """The object would exceed a quota; the message names the quota and its usage."""


class KubeForbidden(KubeError):
    """This client lacks a permission; the message names the verb and the resource."""


class KubeUnauthorized(KubeForbidden):
    """This client's credentials are invalid or expired."""


class KubeUnavailable(KubeError, TransientError):
    """The API server does not respond, or cannot serve the request now."""


_BY_REASON: dict[tuple[int, str], type[KubeError]] = {(409, "AlreadyExists"): KubeAlreadyExists}
_BY_STATUS: dict[int, type[KubeError]] = {
    400: KubeInvalid,
    404: KubeNotFound,
    409: KubeConflict,
    410: KubeExpired,
    413: KubeInvalid,
    422: KubeInvalid,
}
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_QUOTA = "exceeded quota: "


@contextmanager
def client_errors() -> Iterator[None]:
    """Translate what the client library raises without a response into `KubeUnavailable`."""
    try:
        yield
    except KubeError:
        raise
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        reason = str(error) or "timeout"
        raise KubeUnavailable(f"the Kubernetes API server does not respond: {reason}") from None
    except Exception as error:
        # The library raises many types, for example for a token file that is empty for a moment or
        # an invalid header. None of them may end a background task.
        reason = f"{type(error).__name__}: {error}"
        raise KubeUnavailable(
            f"the request to the Kubernetes API server cannot be sent: {reason}"
        ) from error


def is_kubernetes_object(found: Any) -> bool:
    """Return whether decoded JSON is an object of the Kubernetes API."""
    return isinstance(found, dict) and all(
        isinstance(found.get(each), str) for each in ("apiVersion", "kind")
    )


def error_of(status: int, body: bytes, retry_after: float | None = None) -> KubeError:
    """Return the error for a response with a `status` of 400 or more."""
    details = _status_object(body)
    message = str(details.get("message") or f"the API server responded with {status}")
    if status == _UNAUTHORIZED:
        return KubeUnauthorized(message)
    if not details:
        where = "the API server, which may not serve this API, or a proxy before it,"
        return KubeUnavailable(f"{where} responded with {status}", retry_after)
    if status == _FORBIDDEN:
        return _forbidden(details, message)
    if "ResourceVersionTooLarge" in _causes(details):
        return KubeExpired(message)
    reason = str(details.get("reason", ""))
    known = _BY_REASON.get((status, reason)) or _BY_STATUS.get(status)
    return known(message) if known else KubeUnavailable(message, retry_after)


def _forbidden(details: dict[str, Any], message: str) -> KubeError:
    if "NamespaceTerminating" in _causes(details):
        return KubeNotFound(message)
    if found := _RBAC.search(message):
        return KubeForbidden(f"missing permission: {found['verb']} {found['resource']} ({message})")
    return KubeOverQuota(message) if _QUOTA in message else KubeInvalid(message)


def _causes(details: dict[str, Any]) -> set[str]:
    inner = details.get("details")
    causes = inner.get("causes") if isinstance(inner, dict) else None
    found = causes if isinstance(causes, list) else []
    return {str(each.get("reason")) for each in found if isinstance(each, dict)}


def _status_object(body: bytes) -> dict[str, Any]:
    """Return the `Status` in a response; empty if the API server did not write it."""
    try:
        details = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    is_status = is_kubernetes_object(details) and details["kind"] == "Status"
    return details if is_status else {}
