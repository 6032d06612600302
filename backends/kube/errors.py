"""What the API server answers instead of what was asked for, translated in one place.

KubeError
├── KubeNotFound        404, and 403 in a namespace that is going away
├── KubeAlreadyExists   409 AlreadyExists
├── KubeConflict        409 Conflict
├── KubeExpired         410: the token of a list has expired
├── KubeInvalid         400, 413, 422, and 403 by an admission plugin
│   └── KubeOverQuota   403 by a quota
├── KubeForbidden       403 by RBAC: names the missing verb and resource
│   └── KubeUnauthorized   401, whoever has written it
└── KubeUnavailable     no connection, no answer in time, 429, 5xx; what is no answer of the API
                        server, but of something in between; what could not even be asked

Only the API server's own word, a `Status`, can say that something is not there or not allowed.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from backends.retries import MayPass

_RBAC = re.compile(r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"')


class KubeError(Exception):
    """The root of what a call to the API server can raise.

    `repeated` says that an earlier attempt of the same call may have been carried out.
    """

    repeated = False


class KubeNotFound(KubeError):
    """The object is not there, or its namespace is not, or is going away."""


class KubeAlreadyExists(KubeError):
    """An object of this name is there."""


class KubeConflict(KubeError):
    """The object has changed since the version that the call names."""


class KubeExpired(KubeError):
    """The list that a token continues is no longer kept, or the version asked for never was."""


class KubeInvalid(KubeError):
    """The API server will not store this object; the message is its own."""


class KubeOverQuota(KubeInvalid):
    """A quota has no room for this object; the message names the quota, and what is used of it."""


class KubeForbidden(KubeError):
    """This client lacks a right; the message names the verb and the resource."""


class KubeUnauthorized(KubeForbidden):
    """This client's credentials are not, or no longer, good for anything."""


class KubeUnavailable(KubeError, MayPass):
    """The API server does not answer, or not now."""


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
def no_answer() -> Iterator[None]:
    """Turn whatever the client library raises where it gets no answer into `KubeUnavailable`."""
    try:
        yield
    except KubeError:
        raise
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        reason = str(error) or "no answer in time"
        raise KubeUnavailable(f"the Kubernetes API server does not answer: {reason}") from None
    except Exception as error:
        # A token file that is empty for a moment, a header that cannot be sent, and what else the
        # library stumbles over: each in a type of its own, and none worth a task.
        reason = f"{type(error).__name__}: {error}"
        raise KubeUnavailable(f"the Kubernetes API server cannot be asked: {reason}") from error


def is_of_api(found: Any) -> bool:
    """Return whether decoded JSON is an object of the Kubernetes API, and not of somebody else."""
    return isinstance(found, dict) and all(
        isinstance(found.get(each), str) for each in ("apiVersion", "kind")
    )


def error_of(status: int, body: bytes, retry_after: float | None = None) -> KubeError:
    """Return the error that an answer with a `status` of 400 or more means."""
    details = _status_object(body)
    message = str(details.get("message") or f"the API server answered {status}")
    if status == _UNAUTHORIZED:
        return KubeUnauthorized(message)
    if not details:
        where = "the API server, which may not have this part of its API, or something before it,"
        return KubeUnavailable(f"{where} answered {status}", retry_after)
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
        return KubeForbidden(f"missing right: {found['verb']} {found['resource']} ({message})")
    return KubeOverQuota(message) if _QUOTA in message else KubeInvalid(message)


def _causes(details: dict[str, Any]) -> set[str]:
    inner = details.get("details")
    causes = inner.get("causes") if isinstance(inner, dict) else None
    found = causes if isinstance(causes, list) else []
    return {str(each.get("reason")) for each in found if isinstance(each, dict)}


def _status_object(body: bytes) -> dict[str, Any]:
    """Return the `Status` in an answer; empty where a proxy or nobody has written one."""
    try:
        details = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    is_status = is_of_api(details) and details["kind"] == "Status"
    return details if is_status else {}
