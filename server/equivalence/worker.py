"""A worker process that compares answers by math-verify: a pair a line on stdin, a verdict a line on stdout.

Run as `python -m cogitate.server.equivalence.worker SECONDS`. It writes `"ready"` once. A pair is `["a", "b"]`, a
verdict `{"equal": bool, "worn": bool}`; a worn worker has answered and should be replaced. It ends with its parent: at
the end of stdin, or by its own alarm when a comparison takes longer than SECONDS.
"""

import json
import os
import re
import resource
import signal
import sys
from pathlib import Path
from typing import TextIO

from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify
from sympy import Basic, Expr, FiniteSet, Interval, MatrixBase, Tuple

MAX_MEMORY_BYTES = 1 << 30
"""Limit of the address space."""
NICENESS = 5
"""Where processors are short, the server's event loop gets about three times the share of a worker."""
MAX_CPU_SECONDS = 120
"""Processor time after which the kernel kills the worker. It is worn at a quarter, so no comparison meets it."""

# LaTeX only: math-verify's other parser passes the text to eval. Units are kept, or 5 cm would equal 5 m.
_PARSER = LatexExtractionConfig(
    boxed_match_priority=0,
    normalization_config=NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="last", equations=False
    ),
)
_AMBIGUOUS = re.compile(r"\\boxed|(?<!\\)\$|\d\s+\d|[\r\n]")
"""Texts that math-verify parses wrongly: an answer inside the answer; `3 1/2`, which becomes (3 + 1) / 2."""
_OPERATORS = frozenset({"and", "cos", "cot", "csc", "exp", "frac", "log", "sec", "sin", "sqrt", "tan"})
_MAX_RELATIVE_ERROR = 1e-5
"""math-verify rounds to six places after the point, which makes 1e-19 equal 1e-31."""


def equal(a: str, b: str) -> bool:
    """Whether math-verify accepts `a` for `b` and `b` for `a`, and no rule of this module doubts it."""
    if _AMBIGUOUS.search(a) or _AMBIGUOUS.search(b) or _words(a) != _words(b) or a.count("%") != b.count("%"):
        return False
    x, y = _parse(a), _parse(b)
    return x is not None and y is not None and _verify(x, y) and _verify(y, x) and not _is_doubtful(x, y)


def _words(text: str) -> list[str]:
    """Returns plain words, which math-verify parses as products of letters: `listen` would equal `silent`."""
    min_characters = 2 if text.isalpha() else 3
    runs = re.findall(rf"(?<![\\A-Za-z])[^\W\d_]{{{min_characters},}}", text)
    return [run.casefold() for run in runs if run not in _OPERATORS]


def _parse(text: str) -> Basic | MatrixBase | None:
    expressions = parse(rf"\boxed{{{text}}}", (_PARSER,), fallback_mode="no_fallback", parsing_timeout=None)
    return expressions[0] if expressions else None


def _verify(x: Basic | MatrixBase, y: Basic | MatrixBase) -> bool:
    return bool(verify(x, y, allow_set_relation_comp=True, timeout_seconds=None))


def _is_doubtful(x: Basic | MatrixBase, y: Basic | MatrixBase) -> bool:
    """Whether a match is one that math-verify is too lenient about: {1, 2} for (1, 2), and any two small numbers."""
    if isinstance(x, Expr) and isinstance(y, Expr) and x.is_number and y.is_number and x != y:
        u, v = x.evalf(), y.evalf()
        return not bool(abs(u - v) <= _MAX_RELATIVE_ERROR * max(abs(u), abs(v)))
    ordered = isinstance(x, Interval | Tuple), isinstance(y, Interval | Tuple)
    return any(ordered) and (isinstance(x, FiniteSet) or isinstance(y, FiniteSet))


def _limit_resources() -> None:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _is_worn() -> bool:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime > MAX_CPU_SECONDS / 4 or _resident_bytes() > MAX_MEMORY_BYTES / 2


def _resident_bytes() -> int:
    """Resident memory now. Not ru_maxrss: an exec'ed process starts with its parent's peak, which may be a model's."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _take_stdout() -> TextIO:
    """Returns the pipe to the parent, and redirects what libraries print to stderr."""
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
        output.write(json.dumps({"equal": verdict, "worn": _is_worn()}) + "\n")


if __name__ == "__main__":
    main()
