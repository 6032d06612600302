"""What takes long and waits for nothing: done beside the event loop, by few threads.

Only what is bounded may come here, since nobody can end it: a thread goes on to its own end.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# They take turns with the loop, so that more of them would only make it wait longer.
THREADS = 2
"""How many work at a time; the others wait, as long as their requests may."""

_THREADS = ThreadPoolExecutor(THREADS, thread_name_prefix="aside")


async def aside(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `function` returns, and raise what it raises. If cancelled, it may not begin."""
    call = partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, call)
