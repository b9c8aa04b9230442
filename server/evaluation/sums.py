"""Sums, made here: a task that needs no file and no package, and that the smallest model does sometimes."""

import random
from collections.abc import Iterator

SUMS = "sums"
SIZES = ((2, 9), (5, 30), (11, 79))
"""The least and the largest number of a sum: easy, harder and hard ones take turns."""


def sums(size: int, seed: int) -> Iterator[tuple[str, str]]:
    """So many questions with their answers, the same ones for the same seed."""
    rng = random.Random(seed)
    for at in range(size):
        a, b = (rng.randint(*SIZES[at % len(SIZES)]) for _ in range(2))
        yield f"What is {a} + {b}?", str(a + b)
