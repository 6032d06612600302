"""How calls are repeated: with backoff, within a bound, and as long as the other side asks."""

import asyncio

import pytest

from backends.retries import FIRST_SECONDS, MAX_SECONDS, MayPass, attempts

pytestmark = pytest.mark.looptime


class Failing:
    """A call that fails some times before it succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.times: list[float] = []

    async def __call__(self) -> str:
        self.times.append(asyncio.get_running_loop().time())
        if self.failures:
            raise self.failures.pop(0)
        return "done"


async def test_what_may_pass_is_tried_again() -> None:
    call = Failing(MayPass("1"), MayPass("2"))
    assert await attempts(within=10)(call) == "done"
    assert len(call.times) == 3


async def test_anything_else_is_not() -> None:
    call = Failing(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await attempts(within=10)(call)
    assert len(call.times) == 1


async def test_no_attempt_begins_after_the_bound_and_the_last_error_is_raised() -> None:
    call = Failing(*(MayPass(str(n)) for n in range(1000)))
    with pytest.raises(MayPass) as caught:
        await attempts(within=10)(call)
    assert call.times[-1] < 10
    assert str(caught.value) == str(len(call.times) - 1)
    pauses = [b - a for a, b in zip(call.times, call.times[1:], strict=False)]
    assert all(pause <= MAX_SECONDS for pause in pauses)


async def test_as_long_as_the_other_side_asks_is_waited() -> None:
    call = Failing(MayPass("busy", retry_after=7))
    await attempts(within=10)(call)
    assert 7 < call.times[1] <= 7 + FIRST_SECONDS


async def test_those_who_are_told_the_same_time_do_not_come_back_at_the_same_moment() -> None:
    calls = [Failing(MayPass("busy", retry_after=7)) for _ in range(10)]
    await asyncio.gather(*(attempts(within=10)(call) for call in calls))
    assert len({call.times[1] for call in calls}) == 10


@pytest.mark.parametrize("asked", [None, 0.0, -1.0])
async def test_a_wait_of_nothing_is_as_long_as_any_other(asked: float | None) -> None:
    call = Failing(*(MayPass("busy", retry_after=asked) for _ in range(10_000)))
    with pytest.raises(MayPass):
        await attempts(within=10)(call)
    assert len(call.times) < 40


async def test_longer_than_the_bound_is_not_waited() -> None:
    call = Failing(MayPass("busy", retry_after=60))
    with pytest.raises(MayPass):
        await attempts(within=10)(call)
    assert call.times == [0]
