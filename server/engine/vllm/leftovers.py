"""Ends the processes that an engine leaves behind.

Where vLLM's engine process is killed, a worker of it may hang in its own shutdown (seen in 0.32: it waits for a message
to a process that is gone), and would keep the model's memory after the server has ended.
"""

import psutil

LEFTOVER_SECONDS = 2.0
"""How long the processes of a stopped engine may take to end by themselves."""


def list_descendants() -> frozenset[psutil.Process]:
    """Return the processes that this one, or one of those, has started."""
    return frozenset(psutil.Process().children(recursive=True))


def kill_leftovers(processes: frozenset[psutil.Process]) -> None:
    """Wait for processes to end, and kill those that do not. Blocks."""
    _, alive = psutil.wait_procs(processes, timeout=LEFTOVER_SECONDS)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=LEFTOVER_SECONDS)
