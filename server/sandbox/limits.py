"""What one run may use."""

import os
from dataclasses import dataclass, field

KILO, MEGA = 1 << 10, 1 << 20
MOST_RUNS = 64


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes and counts. The kernel holds all but `wall`, `output` and `input`, which the server holds.

    A run is one process: fork is refused, so `memory` and `cpu` are its whole share. A test has two, judge and
    candidate. No folder is writable; `file` stands behind that, should one ever be.
    """

    wall: float = 5.0
    """Seconds from the start of the process to its death."""
    cpu: int = 5
    """Seconds of processor time."""
    memory: int = 512 * MEGA
    """Bytes of address space."""
    processes: int = 32
    """Threads, which the kernel counts as processes."""
    files: int = 64
    """Open file descriptors."""
    file: int = 16 * MEGA
    """Bytes of one file."""
    output: int = 64 * KILO
    """Bytes: stdout and stderr of a program together; one answer of a candidate."""
    source: int = 64 * KILO
    """Bytes of a program, in UTF-8."""
    input: int = MEGA
    """Bytes of a program's stdin; of all tests of one candidate; of one call."""
    tests: int = 1000
    """Tests for one candidate."""
    runs: int = MOST_RUNS
    """Runs for one request; testing one candidate is one run."""
    concurrency: int = field(default_factory=cores)
    """Runs at a time, 128 at most; the others wait."""
