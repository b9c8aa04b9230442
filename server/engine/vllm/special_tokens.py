"""Text that stays text: a special token written out in a message never becomes the control token itself.

Hugging Face's tokenizers read `<|im_end|>` in a user's words as the end of the turn, so that words could speak for
another role, and a candidate for its judge. A zero-width space after the first character of each such word keeps it
readable and makes it ordinary tokens.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

GAP = "\u200b"


def special_words(tokenizer: object) -> frozenset[str]:
    """What the tokenizer would read as control tokens."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    words = {token.content for token in added if token.special} | set(getattr(tokenizer, "all_special_tokens", ()))
    return frozenset(word for word in words if len(word) > 1)


def inert(said: object, words: frozenset[str]) -> object:
    """The same value, with every string within it made harmless."""
    if isinstance(said, str):
        # Only the first character is consumed, so that words which overlap are all found.
        return _beginnings(words).sub(rf"\g<0>{GAP}", said) if words else said
    if isinstance(said, Mapping):
        return {name: inert(value, words) for name, value in said.items()}
    if isinstance(said, Sequence) and not isinstance(said, bytes):
        return [inert(value, words) for value in said]
    return said


@lru_cache(maxsize=8)
def _beginnings(words: frozenset[str]) -> re.Pattern[str]:
    return re.compile(rf"(?={'|'.join(map(re.escape, sorted(words)))}).", re.DOTALL)
