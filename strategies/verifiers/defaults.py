"""What a verifier is unless it says otherwise."""

from cogitate.strategies.core.ports import Ability
from cogitate.strategies.core.types import Aggregation


class Alone:
    """It reads the text of one solution after the other, asks nothing of the engine, and its last word counts."""

    __slots__ = ()

    logprobs: int | None = None
    needs: frozenset[Ability] = frozenset()
    compares: bool = False
    aggregation: Aggregation = "last"
