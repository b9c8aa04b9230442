"""Ends the processes that an engine leaves behind.

Where vLLM's engine process is killed, a worker of it may hang in its own shutdown (seen in 0.32: it waits for a message
to a process that is gone), and would keep the model's memory after the server has ended.
"""

import time
from contextlib import suppress

import psutil

LEFTOVER_SECONDS = 0.5
"""Time for the processes of an engine that has ended to end by themselves. After its clean end there are none."""
POLL_SECONDS = 0.05


def list_descendants() -> frozenset[psutil.Process]:
    """Return the processes that this one, or one of those, has started."""
    return frozenset(psutil.Process().children(recursive=True))


def kill_leftovers(processes: frozenset[psutil.Process]) -> None:
    """Wait for processes to end, and kill those that do not. Blocks."""
    end = time.monotonic() + LEFTOVER_SECONDS
    while (alive := list(filter(is_alive, processes))) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs. One that has ended may stay a zombie where nobody collects it, as in a container."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
