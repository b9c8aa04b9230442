"""Limits of one run of a program."""

import os
from dataclasses import dataclass, field

KIB, MIB = 1 << 10, 1 << 20
MAX_RUNS_PER_REQUEST = 64


def available_cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits in seconds, bytes and counts. The server enforces `wall`, `output` and `input`, the kernel all others.

    A run is one process, since fork is refused, so that `memory` and `cpu` bound all of it. A test has two processes,
    judge and candidate. No folder is writable; `file` is a second line of defence.
    """

    wall: float = 5.0
    """Seconds from the start of the process to its end."""
    cpu: int = 5
    """Seconds of processor time."""
    memory: int = 512 * MIB
    """Bytes of address space."""
    processes: int = 32
    """Threads, which the kernel counts as processes."""
    files: int = 64
    """Open file descriptors."""
    file: int = 16 * MIB
    """Bytes of one file."""
    output: int = 64 * KIB
    """Bytes of stdout and stderr of a program together; of one answer of a candidate."""
    source: int = 64 * KIB
    """Bytes of a program in UTF-8."""
    input: int = MIB
    """Bytes of a program's stdin; of all tests of one candidate; of one call."""
    tests: int = 1000
    """Tests of one candidate."""
    runs: int = MAX_RUNS_PER_REQUEST
    """Runs per request; testing one candidate is one run."""
    concurrency: int = field(default_factory=available_cores)
    """Concurrent runs, at most 128; further runs wait."""
