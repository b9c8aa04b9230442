"""How many tokens the prompts of a search are billed for."""

from collections.abc import Sequence

from cogitate.strategies.core.types import Completion


def count_prompt_tokens(decodes: Sequence[Completion]) -> int:
    """Count one conversation's tokens once, and the text inserted into the assistant's turn each time."""
    base = min(map(count_new_tokens, decodes))
    return base + sum(count_new_tokens(made) - base for made in decodes)


def count_cached_tokens(decodes: Sequence[Completion]) -> int:
    """Count what was cached before the first decode: the minimum, since the first one filled the cache for the rest."""
    cached = (min(made.cached_tokens, count_new_tokens(made)) for made in decodes if made.cached_tokens is not None)
    return min(cached, default=0)


def count_new_tokens(made: Completion) -> int:
    """Count the prompt's tokens, less those of a prefix that an earlier decode of this request has paid for."""
    return made.prompt_tokens - count_prefix_tokens(made)


def count_prefix_tokens(made: Completion) -> int:
    """Count the tokens of its turn that an earlier decode of this request has decoded."""
    return sum(len(segment.ids) for segment in made.prompt.segments if segment.ids)
