"""The API server's errors as a store's, in this one place."""

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
    """Translate what a call about a document raises."""
    try:
        yield
    except KubeNotFound:
        raise NotFound(tool, kind, name) from None
    except KubeAlreadyExists:
        raise AlreadyExists(tool, kind, name) from None
    except KubeConflict:
        raise Conflict(tool, kind, name) from None
    except KubeInvalid as error:
        # Only of what was to be stored do the server's words say something to its owner.
        if writing and _IMMUTABLE in str(error):
            raise Sealed(tool, kind, name) from None
        if writing:
            refused = OverQuota if isinstance(error, KubeOverQuota) else Rejected
            raise refused(str(error)) from None
        logger.error("%s", error)  # noqa: TRY400
        raise Unavailable("the store refuses to be read: the service's log says why") from None
    except KubeForbidden as error:
        logger.error("%s", error)  # noqa: TRY400 - the message is all that there is to know
        raise Unavailable("the store does not let this service in: its log says why") from None
    except KubeUnavailable as error:
        # Addresses and the like are for the log.
        logger.warning("%s", error)
        raise Unavailable("the Kubernetes API server does not answer, or not now") from None
