"""What a failed call of the jobs service means to the caller of a runner."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from backends.runners.base import NothingRuns, RunnerUnavailable, RunRejected
from backends.toolforge.errors import ApiError, NotExecuted, NotFound, Rejected, Unauthorized

logger = logging.getLogger(__name__)


@contextmanager
def runner_errors(component: str = "") -> Iterator[None]:
    """Raise what a call to the jobs service raises as a runner's error.

    With a `component`, that the service does not have it is `NothingRuns`.
    """
    try:
        yield
    except Rejected as error:
        raise RunRejected(str(error)) from None
    except NotFound as error:
        if component:
            raise NothingRuns(f"nothing runs of {component}") from None
        raise RunRejected(f"the jobs service does not know this tool: {error}") from None
    except ApiError as error:
        if isinstance(error, Unauthorized):
            logger.error("%s: see COMPONENTS_TOOLFORGE_CERT", error)  # noqa: TRY400
        sent = not isinstance(error, NotExecuted | Unauthorized)
        raise RunnerUnavailable(str(error), maybe_started=sent) from None
