"""Waiting for other processes, percentiles, and series of /metrics."""

import re
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def read_metric(text: str, name: str) -> float:
    """Return the value of a series, named with its labels, in a /metrics response; 0 for a missing series."""
    match = re.search(rf"^{re.escape(name)} (\S+)", text, re.MULTILINE)
    return float(match[1]) if match else 0.0


def percentile(values: list[float], which: int) -> float:
    """Return percentile `which` (1 to 99); with few values, the largest stands for the tail."""
    return statistics.quantiles(values, n=100, method="inclusive")[which - 1] if len(values) > 1 else values[0]


def wait_until(check: Callable[[], object], seconds: float = 10) -> float:
    """Poll until `check` returns a true value; returns the milliseconds it took.

    Raises AssertionError after `seconds`.
    """
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds, f"the condition did not hold within {seconds:g} s"
        time.sleep(0.005)
    return (time.monotonic() - began) * 1000


def settle(read: Callable[[], T], quiet: float = 0.5, seconds: float = 10) -> T:
    """Return the value of `read` once it has not changed for `quiet` seconds; the latest one after `seconds`."""
    began = changed = time.monotonic()
    value = read()
    while time.monotonic() < min(changed + quiet, began + seconds):
        time.sleep(0.02)
        if (latest := read()) != value:
            value, changed = latest, time.monotonic()
    return value
