"""How much texts have in common: what stands in for a verdict where there is none. Pure."""

from collections.abc import Sequence


def jaccard(own: frozenset[str], other: frozenset[str]) -> float:
    """The share of words that both have, in [0, 1]."""
    both = len(own & other)
    return both / max(1, len(own) + len(other) - both)


def typicality(texts: Sequence[str]) -> list[float]:
    """How alike each is to all of them, in [0, 1]; the same in whatever order they stand."""
    words = [frozenset(text.split()) for text in texts]
    return [sum(sorted(jaccard(own, other) for other in words)) / len(words) for own in words]
