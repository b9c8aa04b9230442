"""Whether numbers, each used exactly once, can make a target by + - * /. Exact, over fractions.

From both ends: what a few of the numbers make is listed, then whether the others make what is missing.
Fractions are pairs of whole numbers here, in lowest terms: they are counted by the hundred thousand.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from math import gcd

Ratio = tuple[int, int]
"""Above, and below, which is positive."""
Numbers = tuple[Ratio, ...]
ZERO: Ratio = (0, 1)
LISTED = 3
"""Numbers, at most, of which all values are listed: four can make thousands."""


@lru_cache(maxsize=50_000)
def reachable(numbers: Numbers, target: Ratio) -> bool:
    """Six numbers take 0.2 s at most, and each one more some fifty times as long. Give them in order: it remembers."""
    if len(numbers) <= LISTED:
        return target in values(numbers)
    for few, others in splits(numbers):
        if target == ZERO and ZERO in values(few):
            return True
        wanted = {other for value in values(few) for other in missing(value, target)}
        if len(others) <= LISTED and not wanted.isdisjoint(values(others)):
            return True
        if len(others) > LISTED and any(reachable(others, other) for other in wanted):
            return True
    return False


@lru_cache(maxsize=1000)
def values(numbers: Numbers) -> frozenset[Ratio]:
    """All that exactly these numbers make."""
    if len(numbers) == 1:
        return frozenset(numbers)
    pairs = ((a, b) for left, right in splits(numbers) for a in values(left) for b in values(right))
    return frozenset(value for a, b in pairs for value in made(a, b))


def splits(numbers: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """In two parts, the first no larger. Equal parts come in either order."""
    places = range(len(numbers))
    for size in range(1, len(numbers) // 2 + 1):
        for chosen in combinations(places, size):
            yield tuple(numbers[at] for at in chosen), tuple(numbers[at] for at in places if at not in chosen)


def made(first: Ratio, second: Ratio) -> Iterator[Ratio]:
    """All that two numbers make."""
    (a, b), (c, d) = first, second
    yield from (ratio(a * d + b * c, b * d), ratio(a * d - b * c, b * d), ratio(b * c - a * d, b * d))
    yield ratio(a * c, b * d)
    if c:
        yield ratio(a * d, b * c)
    if a:
        yield ratio(b * c, a * d)


def missing(value: Ratio, target: Ratio) -> Iterator[Ratio]:
    """What makes the target together with this value. 0 times anything is 0: that is not among it."""
    (a, b), (c, d) = value, target
    yield from (ratio(b * c - a * d, b * d), ratio(b * c + a * d, b * d), ratio(a * d - b * c, b * d))
    if a:
        yield from (ratio(a * c, b * d), ratio(b * c, a * d))
    if a and c:
        yield ratio(a * d, b * c)


def ratio(above: int, below: int) -> Ratio:
    common = gcd(above, below) if below > 0 else -gcd(above, below)
    return above // common, below // common
