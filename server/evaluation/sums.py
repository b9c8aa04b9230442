"""Small questions of arithmetic, made here: a task that needs no file and no package."""

import random
from collections.abc import Iterator

SUMS = "sums"


def sums(size: int, seed: int) -> Iterator[tuple[str, str]]:
    """So many questions with their answers, the same ones for the same seed; every third one of a kind."""
    rng = random.Random(seed)
    for at in range(size):
        a, b, c = rng.randint(11, 79), rng.randint(11, 79), rng.randint(2, 9)
        yield (
            (f"What is {a} + {b}?", str(a + b)),
            (f"What is {a} + {b} - {c}?", str(a + b - c)),
            (f"A box holds {a} pens. How many pens are in {c} boxes?", str(a * c)),
        )[at % 3]
