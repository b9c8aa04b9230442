"""Whether a question asks for a list in a certain order, so that another order is another answer."""

import re
from functools import lru_cache

_MAX_QUESTION_CHARACTERS = 4_000
_ORDERS = re.compile(
    r"\b(?:sort|sorts|sorted|sorting|rearrange|arrange|rank)\b"
    r"|\b(?:ascending|descending|increasing|decreasing|alphabetical|chronological|reverse) order\b"
    r"|\bin (?:(?:the |its |their )(?:correct |right )?|(?:correct|right) )order\b|\bin order(?! to\b)(?=\W|$)"
    r"|\border (?:the|these|them|from)\b"
    r"|\bfrom (?:the )?(?:least|smallest|lowest|largest|greatest|highest|oldest|youngest|shortest|longest|earliest|left"
    r"|lightest|heaviest)\b.{0,40}\bto\b|\b(?:next|first|missing) \w+ (?:terms|numbers|elements) (?:of|in)\b"
    r"|\b(?:sequence|permutation|respectively)\b"
)
_ANY_ORDER = re.compile(
    r"\bany order\b|\border (?:does not|doesn't) matter\b|\bregardless of (?:the )?order\b|\border of operations\b"
)


@lru_cache(maxsize=64)
def asks_for_order(question: str) -> bool:
    """Whether the order of an answer's elements matters, by the question's words."""
    words = " ".join(question[-_MAX_QUESTION_CHARACTERS:].replace("’", "'").casefold().split())
    return bool(_ORDERS.search(words)) and not _ANY_ORDER.search(words)
