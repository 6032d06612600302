"""Retries of calls to a backend: with backoff and jitter, within a total time limit."""

import asyncio

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_random_exponential,
)

FIRST_SECONDS = 0.1
MAX_SECONDS = 2.0


class TransientError(Exception):
    """A failure that a retry may pass, after `retry_after` seconds if known."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


_backoff = wait_random_exponential(multiplier=FIRST_SECONDS, max=MAX_SECONDS, min=FIRST_SECONDS / 2)


def _wait(state: RetryCallState) -> float:
    """Return the server's `Retry-After`, if any, plus a random exponential backoff.

    So clients with the same `Retry-After` do not all retry at the same moment, and "0" gets the
    same backoff as any other value.
    """
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, TransientError) else None
    return max(0.0, asked or 0.0) + _backoff(state)


def attempts(within: float) -> AsyncRetrying:
    """Return attempts that retry after `TransientError`, none later than `within` seconds.

    If `Retry-After` is beyond that limit, there is no further attempt.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + within

    def stop(state: RetryCallState) -> bool:
        # Use the loop's clock; tenacity would use another one.
        return loop.time() + state.upcoming_sleep >= until

    return AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop,
        wait=_wait,
        reraise=True,
    )
