"""A worker process: one pair of answers a line on stdin, one verdict a line on stdout, by math-verify.

Run as `python -m cogitate.server.equivalence.worker SECONDS`. It writes `"ready"` once. A pair is `["a", "b"]`, a
verdict `{"equal": bool, "worn": bool}`; a worn child has answered and should be replaced. It ends with its parent: at the end
of stdin, or by its own alarm when a question takes longer than SECONDS.
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

MEMORY = 1 << 30
NICE = 5
"""Where processors are short the server has about three times a worker's share: its event loop answers everybody."""
CPU_SECONDS = 120
"""The kernel's last word on a child. Questions cannot meet it: a child is worn at a quarter of it."""

# LaTeX only: math-verify's other reader hands the text to eval. Units stay, or 5 cm would equal 5 m.
_READER = LatexExtractionConfig(
    boxed_match_priority=0,
    normalization_config=NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="last", equations=False
    ),
)
_AMBIGUOUS = re.compile(r"\\boxed|(?<!\\)\$|\d\s+\d|[\r\n]")
"""Read wrongly: an answer within the answer; `3 1/2`, which becomes (3 + 1) / 2."""
_OPERATORS = frozenset({"and", "cos", "cot", "csc", "exp", "frac", "log", "sec", "sin", "sqrt", "tan"})
_NEARLY = 1e-5
"""Relative. math-verify rounds to six places after the point, which makes 1e-19 equal 1e-31."""


def equal(a: str, b: str) -> bool:
    """Whether math-verify takes `a` for `b` and `b` for `a`, and nothing makes us doubt it."""
    if _AMBIGUOUS.search(a) or _AMBIGUOUS.search(b) or _words(a) != _words(b) or a.count("%") != b.count("%"):
        return False
    x, y = _read(a), _read(b)
    return x is not None and y is not None and _proven(x, y) and _proven(y, x) and not _doubtful(x, y)


def _words(text: str) -> list[str]:
    """Plain words, which math-verify would read as products of letters: `listen` equals `silent`."""
    shortest = 2 if text.isalpha() else 3
    runs = re.findall(rf"(?<![\\A-Za-z])[^\W\d_]{{{shortest},}}", text)
    return [run.casefold() for run in runs if run not in _OPERATORS]


def _read(text: str) -> Basic | MatrixBase | None:
    found = parse(rf"\boxed{{{text}}}", (_READER,), fallback_mode="no_fallback", parsing_timeout=None)
    return found[0] if found else None


def _proven(x: Basic | MatrixBase, y: Basic | MatrixBase) -> bool:
    return bool(verify(x, y, allow_set_relation_comp=True, timeout_seconds=None))


def _doubtful(x: Basic | MatrixBase, y: Basic | MatrixBase) -> bool:
    """math-verify is a lenient examiner: it takes {1, 2} for (1, 2), and any two small numbers for each other."""
    if isinstance(x, Expr) and isinstance(y, Expr) and x.is_number and y.is_number and x != y:
        u, v = x.evalf(), y.evalf()
        return not bool(abs(u - v) <= _NEARLY * max(abs(u), abs(v)))
    ordered = isinstance(x, Interval | Tuple), isinstance(y, Interval | Tuple)
    return any(ordered) and (isinstance(x, FiniteSet) or isinstance(y, FiniteSet))


def _confine() -> None:
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _worn() -> bool:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime > CPU_SECONDS / 4 or _resident() > MEMORY / 2


def _resident() -> int:
    """Bytes now. Not ru_maxrss: an exec'ed child inherits its parent's peak, and the parent holds a model."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _private_stdout() -> TextIO:
    """The way to the parent; whatever a library prints goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def main() -> None:
    seconds = float(sys.argv[1])
    answers = _private_stdout()
    _confine()
    answers.write('"ready"\n')
    for line in sys.stdin:
        a, b = json.loads(line)
        # Its default action ends the process even inside one long multiplication, where no handler would run.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        verdict = equal(a, b)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(json.dumps({"equal": verdict, "worn": _worn()}) + "\n")


if __name__ == "__main__":
    main()
