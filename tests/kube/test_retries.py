"""Retries: with backoff, within a limit, and respecting Retry-After."""

import asyncio

import pytest

from backends.retries import FIRST_SECONDS, MAX_SECONDS, TransientError, attempts

pytestmark = pytest.mark.looptime


class Failing:
    """A call that fails a few times before it succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.times: list[float] = []

    async def __call__(self) -> str:
        self.times.append(asyncio.get_running_loop().time())
        if self.failures:
            raise self.failures.pop(0)
        return "done"


async def test_a_transient_error_is_retried() -> None:
    call = Failing(TransientError("1"), TransientError("2"))
    assert await attempts(within=10)(call) == "done"
    assert len(call.times) == 3


async def test_other_errors_are_not_retried() -> None:
    call = Failing(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await attempts(within=10)(call)
    assert len(call.times) == 1


async def test_no_attempt_begins_after_the_limit_and_the_last_error_is_raised() -> None:
    call = Failing(*(TransientError(str(n)) for n in range(1000)))
    with pytest.raises(TransientError) as caught:
        await attempts(within=10)(call)
    assert call.times[-1] < 10
    assert str(caught.value) == str(len(call.times) - 1)
    pauses = [b - a for a, b in zip(call.times, call.times[1:], strict=False)]
    assert all(pause <= MAX_SECONDS for pause in pauses)


async def test_retry_after_is_respected() -> None:
    call = Failing(TransientError("busy", retry_after=7))
    await attempts(within=10)(call)
    assert 7 < call.times[1] <= 7 + FIRST_SECONDS


async def test_clients_with_the_same_retry_after_do_not_retry_together() -> None:
    calls = [Failing(TransientError("busy", retry_after=7)) for _ in range(10)]
    await asyncio.gather(*(attempts(within=10)(call) for call in calls))
    assert len({call.times[1] for call in calls}) == 10


@pytest.mark.parametrize("asked", [None, 0.0, -1.0])
async def test_a_retry_after_of_zero_has_the_usual_backoff(asked: float | None) -> None:
    call = Failing(*(TransientError("busy", retry_after=asked) for _ in range(10_000)))
    with pytest.raises(TransientError):
        await attempts(within=10)(call)
    assert len(call.times) < 40


async def test_a_retry_after_beyond_the_limit_is_not_awaited() -> None:
    call = Failing(TransientError("busy", retry_after=60))
    with pytest.raises(TransientError):
        await attempts(within=10)(call)
    assert call.times == [0]
