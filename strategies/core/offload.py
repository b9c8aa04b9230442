"""Running CPU-bound work on model output without blocking the event loop.

Model output is untrusted: it may be long, and written so that each rule that reads it is slow. Each such piece of work
is linear and bounded, some tens of milliseconds at worst, but there may be many at once.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
MAX_INLINE_SIZE = 2_000
"""Characters, or tokens with log-probabilities, that take a fraction of a millisecond."""

_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")
"""One thread per process: a second one would only wait for the interpreter lock, and make other tasks wait."""


async def offload(work: Callable[[], T], size: int) -> T:
    """Run the pure function `work`: inline where `size` is small, else in the reader thread, one at a time.

    Inline work yields to the event loop once. Exceptions of `work` propagate.
    """
    if size > MAX_INLINE_SIZE:
        return await asyncio.get_running_loop().run_in_executor(_reader, work)
    result = work()
    await asyncio.sleep(0)
    return result
