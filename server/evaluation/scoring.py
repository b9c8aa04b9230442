"""Whether an answer is right. The reference is read by the same rules as the answers."""

from collections.abc import Callable

from cogitate.strategies.answers import canonical

Grade = Callable[[str | None], bool]
"""Whether an answer, as it was written, is right; None is none."""


def agrees(gold: str) -> Grade:
    key = canonical(gold)
    return lambda answer: answer is not None and canonical(answer) == key
