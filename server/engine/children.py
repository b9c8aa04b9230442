"""What the processes that this one starts share with it: Ctrl-C, and its end."""

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def start_without_interrupts() -> Iterator[None]:
    """Start processes that never get SIGINT: a terminal sends Ctrl-C to them too, and requests in flight need them.

    They inherit the signal mask of the thread that starts them. Not for the main thread, which handles Ctrl-C.
    """
    resource_tracker.ensure_running()  # where it starts with the first process, it unblocks SIGINT in this thread
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def kill_children() -> None:
    """Kill the engine's processes where nobody waits for their clean end. What they have started ends with them."""
    for process in multiprocessing.active_children():
        process.kill()
