"""Whether an answer is right. The reference is read by the same rules as the answers."""

import re
from collections.abc import Callable

from strategies.answers import canonical, extract

Grade = Callable[[str | None], bool]
"""Whether an answer, as it was written, is right; None is none."""

HASHES = re.compile(r"####\s*(.+)")


def final(solution: str) -> str:
    """The answer at a reference solution's end: after ####, boxed, or all of it."""
    if hashes := HASHES.findall(solution):
        return str(hashes[-1]).strip()
    boxed = extract(solution, "boxed", "")
    return boxed.raw if boxed else solution.strip()


def agrees(gold: str) -> Grade:
    key = canonical(gold)
    return lambda answer: answer is not None and canonical(answer) == key
