"""What is done in the background ends with nothing but its cancellation."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from backends.supervision import supervised

pytestmark = pytest.mark.looptime


class Rounds:
    """Something that is done again and again, and that goes wrong as often as it is told to."""

    def __init__(self, *wrongs: Callable[[], object]) -> None:
        self.wrongs = list(wrongs)
        self.times: list[float] = []
        self.went_well = asyncio.Event()

    async def __call__(self) -> None:
        self.times.append(asyncio.get_running_loop().time())
        if not self.wrongs:
            self.went_well.set()
            return
        outcome = self.wrongs.pop(0)()
        if isinstance(outcome, BaseException):
            raise outcome
        await asyncio.Event().wait()


@pytest.fixture
async def started() -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks: list[asyncio.Task[None]] = []
    yield tasks
    for task in tasks:
        task.cancel()
        await asyncio.wait((task,))


async def within_a_minute(rounds: Rounds, tasks: list[asyncio.Task[None]]) -> None:
    """Let it go round until a round goes well."""
    tasks.append(asyncio.create_task(supervised("the work", rounds, lambda: 1.0, limit=5.0)))
    async with asyncio.timeout(60):
        await rounds.went_well.wait()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: TypeError("string indices must be integers"), "the work failed"),
        (TimeoutError, "the work failed"),
        (asyncio.CancelledError, "the work was cancelled from within"),
        (lambda: None, "the work had not ended after 5 s"),
    ],
    ids=["unforeseen", "its own time-out", "cancelled from within", "never ends"],
)
async def test_a_round_that_goes_wrong_is_told_and_the_next_goes_on(
    started: list[asyncio.Task[None]],
    caplog: pytest.LogCaptureFixture,
    wrong: Callable[[], object],
    told: str,
) -> None:
    rounds = Rounds(wrong, wrong)
    await within_a_minute(rounds, started)
    assert len(rounds.times) == 3
    assert told in caplog.text


async def test_it_pauses_before_each_round(started: list[asyncio.Task[None]]) -> None:
    rounds = Rounds(lambda: ValueError("no"))
    await within_a_minute(rounds, started)
    assert rounds.times == [1, 2]


async def test_being_cancelled_ends_it_in_a_round_too(started: list[asyncio.Task[None]]) -> None:
    rounds = Rounds(lambda: None)
    task = asyncio.create_task(supervised("the work", rounds, lambda: 1.0))
    await asyncio.sleep(2)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
