"""How calls to a backend are repeated: with backoff and jitter, within a bound in all."""

import asyncio

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_random_exponential,
)

FIRST_SECONDS = 0.1
MAX_SECONDS = 2.0


class MayPass(Exception):
    """A failure that may have passed at another attempt, after `retry_after` seconds if known."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


_backoff = wait_random_exponential(multiplier=FIRST_SECONDS, max=MAX_SECONDS)


def _wait(state: RetryCallState) -> float:
    """Wait as long as the other side asks for, or else at random, longer each time."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, MayPass) and error.retry_after is not None:
        return error.retry_after
    return _backoff(state)


def attempts(within: float) -> AsyncRetrying:
    """Return attempts that repeat after `MayPass`, none of which begins later than `within` s."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within

    def stop(state: RetryCallState) -> bool:
        # By the loop's clock and not, as tenacity's own would, by another one beside it.
        return loop.time() + state.upcoming_sleep >= until

    return AsyncRetrying(
        retry=retry_if_exception_type(MayPass),
        stop=stop,
        wait=_wait,
        reraise=True,
    )
