"""Decides whether numbers, each used exactly once, can make a target with + - * /. Computes exactly, with fractions.

The search meets in the middle: it lists all values of one part of the numbers, computes the values that the rest must
have to make the target, and checks whether the rest can have one of them. Fractions are pairs of integers in lowest
terms, not objects, because a search creates hundreds of thousands of them.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from math import gcd

Ratio = tuple[int, int]
"""Numerator and positive denominator."""
Numbers = tuple[Ratio, ...]
ZERO: Ratio = (0, 1)
MAX_LISTED_NUMBERS = 3
"""Maximum number of numbers of which all values are listed: four numbers can make thousands of values."""


@lru_cache(maxsize=50_000)
def is_reachable(numbers: Numbers, target: Ratio) -> bool:
    """Whether the numbers, in ascending order (results are cached), can make the target.

    Six numbers take at most 0.2 s, and each further one about fifty times as long.
    """
    if len(numbers) <= MAX_LISTED_NUMBERS:
        return target in reachable_values(numbers)
    for part, rest in partitions(numbers):
        if target == ZERO and ZERO in reachable_values(part):
            return True
        needed = {value_needed for value in reachable_values(part) for value_needed in missing_values(value, target)}
        if len(rest) <= MAX_LISTED_NUMBERS and not needed.isdisjoint(reachable_values(rest)):
            return True
        if len(rest) > MAX_LISTED_NUMBERS and any(is_reachable(rest, value_needed) for value_needed in needed):
            return True
    return False


@lru_cache(maxsize=1000)
def reachable_values(numbers: Numbers) -> frozenset[Ratio]:
    """Return all values of expressions that use exactly these numbers."""
    if len(numbers) == 1:
        return frozenset(numbers)
    pairs = (
        (a, b) for left, right in partitions(numbers) for a in reachable_values(left) for b in reachable_values(right)
    )
    return frozenset(value for a, b in pairs for value in combine(a, b))


def partitions(numbers: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield all splits into two parts, the first no larger than the second. Equal parts occur in both orders."""
    places = range(len(numbers))
    for size in range(1, len(numbers) // 2 + 1):
        for selected in combinations(places, size):
            yield (
                tuple(numbers[place] for place in selected),
                tuple(numbers[place] for place in places if place not in selected),
            )


def combine(first: Ratio, second: Ratio) -> Iterator[Ratio]:
    """Yield all results of one operation on two numbers, in either order."""
    (a, b), (c, d) = first, second
    yield from (
        reduce_ratio(a * d + b * c, b * d),
        reduce_ratio(a * d - b * c, b * d),
        reduce_ratio(b * c - a * d, b * d),
    )
    yield reduce_ratio(a * c, b * d)
    if c:
        yield reduce_ratio(a * d, b * c)
    if a:
        yield reduce_ratio(b * c, a * d)


def missing_values(value: Ratio, target: Ratio) -> Iterator[Ratio]:
    """Yield the values that make the target together with `value`, by one operation.

    Where `value` and the target are both 0, any factor makes the target; such factors are not listed.
    """
    (a, b), (c, d) = value, target
    yield from (
        reduce_ratio(b * c - a * d, b * d),
        reduce_ratio(b * c + a * d, b * d),
        reduce_ratio(a * d - b * c, b * d),
    )
    if a:
        yield from (reduce_ratio(a * c, b * d), reduce_ratio(b * c, a * d))
    if a and c:
        yield reduce_ratio(a * d, b * c)


def reduce_ratio(numerator: int, denominator: int) -> Ratio:
    """Return the fraction in lowest terms with a positive denominator."""
    common = gcd(numerator, denominator) if denominator > 0 else -gcd(numerator, denominator)
    return numerator // common, denominator // common
