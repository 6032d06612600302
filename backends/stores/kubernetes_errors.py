"""Translates the API server's errors to those of a store, in one place."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from backends.kube.errors import (
    KubeAlreadyExists,
    KubeConflict,
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
    KubeOverQuota,
    KubeUnavailable,
)
from backends.stores.base import (
    AlreadyExists,
    Conflict,
    NotFound,
    OverQuota,
    Rejected,
    Sealed,
    Unavailable,
)

logger = logging.getLogger(__name__)

_IMMUTABLE = "field is immutable when `immutable` is set"


@contextmanager
def store_errors(tool: str, kind: str, name: str, *, writing: bool = False) -> Iterator[None]:
    """Translate the errors of a call about a document."""
    try:
        yield
    except KubeNotFound:
        raise NotFound(tool, kind, name) from None
    except KubeAlreadyExists:
        raise AlreadyExists(tool, kind, name) from None
    except KubeConflict:
        raise Conflict(tool, kind, name) from None
    except KubeInvalid as error:
        # The server's message is only useful to the caller who sent the document.
        if writing and _IMMUTABLE in str(error):
            raise Sealed(tool, kind, name) from None
        if writing:
            refused = OverQuota if isinstance(error, KubeOverQuota) else Rejected
            raise refused(str(error)) from None
        logger.error("%s", error)  # noqa: TRY400
        raise Unavailable("the store refuses the request: see the service's log") from None
    except KubeForbidden as error:
        logger.error("%s", error)  # noqa: TRY400 - the traceback adds nothing
        raise Unavailable("the store denies access to this service: see its log") from None
    except KubeUnavailable as error:
        # Keep addresses and the like out of the response.
        logger.warning("%s", error)
        raise Unavailable("the Kubernetes API server does not respond") from None
