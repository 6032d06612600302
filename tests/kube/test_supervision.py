"""Only a cancellation ends a background loop."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from backends.supervision import supervised

pytestmark = pytest.mark.looptime


class Rounds:
    """A repeated function that first fails in the given ways."""

    def __init__(self, *failures: Callable[[], object]) -> None:
        self.failures = list(failures)
        self.times: list[float] = []
        self.succeeded = asyncio.Event()

    async def __call__(self) -> None:
        self.times.append(asyncio.get_running_loop().time())
        if not self.failures:
            self.succeeded.set()
            return
        outcome = self.failures.pop(0)()
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


async def run_until_success(rounds: Rounds, tasks: list[asyncio.Task[None]]) -> None:
    """Run the loop until a round succeeds."""
    tasks.append(asyncio.create_task(supervised("the work", rounds, lambda: 1.0, limit=5.0)))
    async with asyncio.timeout(60):
        await rounds.succeeded.wait()


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (lambda: TypeError("string indices must be integers"), "the work failed"),
        (TimeoutError, "the work failed"),
        (asyncio.CancelledError, "the work was cancelled from within"),
        (lambda: None, "the work was aborted after 5 s"),
    ],
    ids=["unexpected", "its own timeout", "cancelled from within", "never ends"],
)
async def test_a_failed_round_is_logged_and_the_loop_continues(
    started: list[asyncio.Task[None]],
    caplog: pytest.LogCaptureFixture,
    failure: Callable[[], object],
    message: str,
) -> None:
    rounds = Rounds(failure, failure)
    await run_until_success(rounds, started)
    assert len(rounds.times) == 3
    assert message in caplog.text


async def test_each_round_begins_with_a_pause(started: list[asyncio.Task[None]]) -> None:
    rounds = Rounds(lambda: ValueError("no"))
    await run_until_success(rounds, started)
    assert rounds.times == [1, 2]


async def test_a_cancellation_ends_the_loop_during_a_round(
    started: list[asyncio.Task[None]],
) -> None:
    rounds = Rounds(lambda: None)
    task = asyncio.create_task(supervised("the work", rounds, lambda: 1.0))
    await asyncio.sleep(2)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
