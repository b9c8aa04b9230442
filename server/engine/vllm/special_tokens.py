"""Escapes special tokens in message text, so that text cannot act as a control token.

Hugging Face's tokenizers encode `<|im_end|>` in a user's text as the token that ends the turn. A user could thus insert
a turn of another role, and a candidate could insert its judge's verdict. A zero-width space after the first character
of each special token leaves the text readable, and the tokenizer encodes it as ordinary tokens.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

ZERO_WIDTH_SPACE = "\u200b"


def special_token_texts(tokenizer: object) -> frozenset[str]:
    """Return the texts that the tokenizer reads as control tokens."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    texts = {token.content for token in added if token.special} | set(getattr(tokenizer, "all_special_tokens", ()))
    return frozenset(text for text in texts if len(text) > 1)


def escape_special_tokens(value: object, special: frozenset[str]) -> object:
    """Return a JSON value with every string within it escaped, the names of fields included."""
    if isinstance(value, str):
        return _escape(value, special)
    if isinstance(value, Mapping):
        return {_escape(name, special): escape_special_tokens(item, special) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [escape_special_tokens(item, special) for item in value]
    return value


def _escape(text: str, special: frozenset[str]) -> str:
    # Only the first character is consumed, so that overlapping special tokens are all found.
    return _compile_starts(special).sub(rf"\g<0>{ZERO_WIDTH_SPACE}", text) if special else text


@lru_cache(maxsize=8)
def _compile_starts(special: frozenset[str]) -> re.Pattern[str]:
    """Compile a pattern that matches the first character of every special token."""
    return re.compile(rf"(?={'|'.join(map(re.escape, sorted(special)))}).", re.DOTALL)
