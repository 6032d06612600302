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


_backoff = wait_random_exponential(multiplier=FIRST_SECONDS, max=MAX_SECONDS, min=FIRST_SECONDS / 2)


def _wait(state: RetryCallState) -> float:
    """Wait at random, longer each time, and that much beyond what the other side asks for.

    So those who are told the same time do not come back at the same moment, and "0" is no more
    than any other answer.
    """
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, MayPass) else None
    return max(0.0, asked or 0.0) + _backoff(state)


def attempts(within: float) -> AsyncRetrying:
    """Return attempts that repeat after `MayPass`, none of which begins later than `within` s.

    One that would have to begin later, as the other side asks, is not waited for.
    """
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
