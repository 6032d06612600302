"""CPU-bound functions run in a few threads, outside the event loop."""

import asyncio
import threading

import pytest

from components.engine.threads import THREADS, run_in_thread


async def test_a_thread_returns_the_result_and_raises_the_error_of_its_function() -> None:
    assert await run_in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(divmod, 7, 0)


async def test_few_functions_run_at_a_time_and_a_cancelled_waiting_one_never_starts() -> None:
    release, started = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        started.release()
        release.wait()

    working = [asyncio.create_task(run_in_thread(work)) for _ in range(THREADS)]
    try:
        for _ in working:
            assert await asyncio.to_thread(started.acquire, timeout=10)
        waiting = asyncio.create_task(run_in_thread(work))
        await asyncio.to_thread(
            lambda: None
        )  # the event loop is free meanwhile, and the function is queued
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    finally:
        release.set()
        await asyncio.gather(*working)
    await run_in_thread(lambda: None)
    assert not started.acquire(blocking=False)
