"""A worker process that compares answers: a pair a line on stdin, a verdict a line on stdout.

Run as `python -m cogitate.server.equivalence.worker SECONDS`. It writes `"ready"` once. A pair is `["a", "b"]`, a
verdict `{"equal": bool, "worn": bool}`; a worn worker has answered and should be replaced. It ends with its parent: at
the end of stdin, or by its own alarm when a comparison takes longer than SECONDS.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TextIO

from cogitate.server.equivalence.algebra import are_proven_equal
from cogitate.strategies.answers.canonical import canonical
from cogitate.strategies.answers.compare import Pairs, compare_keys
from cogitate.strategies.answers.expression_parser import parse_expression

MAX_MEMORY_BYTES = 1 << 30
"""Limit of the address space."""
NICENESS = 5
"""Where processors are short, the server's event loop gets about three times the share of a worker."""
MAX_CPU_SECONDS = 120
"""Processor time after which the kernel kills the worker. It is worn at a quarter, so no comparison meets it."""


def equal(a: str, b: str) -> bool:
    """Whether two answers, alone in a vote, are one: by their types, and by algebra where they are expressions."""
    one, other = canonical(a), canonical(b)
    return _is_proven(compare_keys(one, other)) or _is_proven(compare_keys(one, other, is_loose=True))


def _is_proven(pairs: Pairs | None) -> bool:
    return pairs is not None and all(_prove(a, b) for a, b in pairs)


def _prove(a: str, b: str) -> bool:
    """Whether algebra shows two expressions equal. What sympy cannot do is no proof."""
    x, y = parse_expression(a), parse_expression(b)
    try:
        return x is not None and y is not None and are_proven_equal(x, y)
    except (ArithmeticError, ValueError, TypeError, NotImplementedError, AttributeError, RecursionError, KeyError):
        return False


def _limit_resources() -> None:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _needs_restart() -> bool:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime > MAX_CPU_SECONDS / 4 or _resident_bytes() > MAX_MEMORY_BYTES / 2


def _resident_bytes() -> int:
    """Resident memory now. Not ru_maxrss: an exec'ed process starts with its parent's peak, which may be a model's."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _take_stdout() -> TextIO:
    """Return the pipe to the parent, and redirect what libraries print to stderr."""
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return pipe


def main() -> None:
    seconds = float(sys.argv[1])
    output = _take_stdout()
    _limit_resources()
    output.write('"ready"\n')
    for line in sys.stdin:
        a, b = json.loads(line)
        # The default action of SIGALRM ends the process even inside one long multiplication; a handler would wait.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        verdict = equal(a, b)
        signal.setitimer(signal.ITIMER_REAL, 0)
        output.write(json.dumps({"equal": verdict, "worn": _needs_restart()}) + "\n")


if __name__ == "__main__":
    main()
