"""Reading what a model wrote, without holding up whoever else the event loop serves.

A model's text is untrusted: it may be long, and worded so that each rule that reads it takes its time. Every piece of
such work is linear and bounded, some tens of milliseconds at the worst; but there are many at once.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
MAX_INLINE_SIZE = 2_000
"""Characters, or tokens with their log-probabilities, that take a fraction of a millisecond."""

_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")
"""One for the process: a second thread would only wait for the first one's interpreter lock, and make others wait."""


async def offload(work: Callable[[], T], size: int) -> T:
    """What pure `work` over so much gives: a short one at once, a long one in its turn, in a thread. Others go on."""
    if size > MAX_INLINE_SIZE:
        return await asyncio.get_running_loop().run_in_executor(_reader, work)
    result = work()
    await asyncio.sleep(0)
    return result
