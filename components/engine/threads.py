"""Running CPU-bound functions in a small thread pool, outside the event loop.

Run only bounded functions here: a running thread cannot be cancelled.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# They share the GIL with the event loop: more threads would only slow the loop down.
THREADS = 2
"""How many functions run at a time; the others wait, until their requests time out."""

_THREADS = ThreadPoolExecutor(THREADS, thread_name_prefix="engine")


async def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `function` returns, and raise what it raises. If cancelled, it may not start."""
    call = partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, call)
