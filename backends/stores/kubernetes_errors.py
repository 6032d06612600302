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
    KubeUnavailable,
)
from backends.stores.base import (
    AlreadyExists,
    Conflict,
    NotFound,
    Rejected,
    Sealed,
    Unavailable,
)

logger = logging.getLogger(__name__)

_IMMUTABLE = "immutable"


@contextmanager
def store_errors(tool: str, kind: str, name: str) -> Iterator[None]:
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
        if _IMMUTABLE in str(error):
            raise Sealed(tool, kind, name) from None
        raise Rejected(str(error)) from None
    except KubeForbidden as error:
        logger.error("%s", error)  # noqa: TRY400 - the message is all that there is to know
        raise Unavailable("the store does not let this service in: its log says why") from None
    except KubeUnavailable as error:
        raise Unavailable(str(error)) from None
