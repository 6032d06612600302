"""What takes long is done beside the loop, a few at a time."""

import asyncio
import threading

import pytest

from components.engine.threads import THREADS, run_in_thread


async def test_it_returns_what_is_returned_and_raises_what_is_raised() -> None:
    assert await run_in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(divmod, 7, 0)


async def test_few_work_at_a_time_and_who_is_cancelled_while_it_waits_never_begins() -> None:
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        begun.release()
        go_on.wait()

    working = [asyncio.create_task(run_in_thread(work)) for _ in range(THREADS)]
    try:
        for _ in working:
            assert await asyncio.to_thread(begun.acquire, timeout=10)
        waiting = asyncio.create_task(run_in_thread(work))
        await asyncio.to_thread(lambda: None)  # the loop goes on meanwhile, and it is in line
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    finally:
        go_on.set()
        await asyncio.gather(*working)
    await run_in_thread(lambda: None)
    assert not begun.acquire(blocking=False)
