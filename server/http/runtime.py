"""Tunes the interpreter for a server: short collections, and an event loop that computing threads do not delay."""

import gc
import sys

THREAD_SWITCH_SECONDS = 0.0005
"""Interval at which a computing thread yields to the event loop. Python's 5 ms would be waited for at each callback."""
GC_THRESHOLDS = 20_000, 20, 50
"""Allocations before the garbage collector runs, for its three generations.

Requests in flight have thousands of objects, which Python's 700 would traverse again and again. What has ended is freed
without the collector (`tests/server/serving/test_garbage.py`).
"""


def tune_runtime() -> None:
    """Tunes the garbage collector and thread switching once everything is loaded.

    Freezes the objects loaded so far, so that collections do not traverse them and stop every request meanwhile. Texts
    that are parsed in a thread (strategies/core/offload.py) do not delay the event loop.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
