"""Ends the processes that this one has started, where nobody waits for their own clean end."""

import multiprocessing


def kill_children() -> None:
    """Kill the engine's processes, and those that compare answers. What they have started ends with them."""
    for process in multiprocessing.active_children():
        process.kill()
