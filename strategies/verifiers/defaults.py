"""Default attributes of verifiers."""

from cogitate.strategies.core.ports import Ability
from cogitate.strategies.core.types import Aggregation


class VerifierDefaults:
    """Defaults: the verifier reads the text alone and needs nothing from the engine; the last step's score counts."""

    __slots__ = ()

    logprobs: int | None = None
    needs: frozenset[Ability] = frozenset()
    compares: bool = False
    is_pure: bool = False
    aggregation: Aggregation = "last"
