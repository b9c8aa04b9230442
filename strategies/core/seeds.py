"""What one decode is given of what its request may spend. Pure."""

import hashlib
from dataclasses import replace

from cogitate.strategies.core.types import Sampling


def granted(sampling: Sampling, tokens: int | None, *, partial: bool) -> Sampling:
    """With what the budget grants; mostly that is what was asked for."""
    same = tokens == sampling.max_tokens and partial == sampling.partial
    return sampling if same else replace(sampling, max_tokens=tokens, partial=partial)


def derived_seed(seed: int, index: int) -> int:
    """The seed of a request's decode number `index`: independent streams, the same every time."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:4])


def least(*limits: int | None) -> int | None:
    """The smallest of the limits; None is none."""
    return min((limit for limit in limits if limit is not None), default=None)
