"""Similarity of texts, which selects the most typical candidate where there is no verdict.

Overlap is the Jaccard index of word sets. The text with the highest mean similarity to all candidates is the choice of
minimum Bayes risk decoding (Kumar and Byrne, 2004) with this similarity for the gain. Deviation: words are a set, not
n-grams, so that the cost stays linear in the length of a text.
"""

from collections.abc import Sequence


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the share of all words that both sets have, in [0, 1]."""
    both = len(first & second)
    return both / max(1, len(first) + len(second) - both)


def typicality(texts: Sequence[str]) -> list[float]:
    """Return the mean similarity of each text to all of them, in [0, 1]. It does not depend on their order."""
    words = [frozenset(text.split()) for text in texts]
    return [sum(sorted(jaccard(own, each) for each in words)) / len(words) for own in words]
