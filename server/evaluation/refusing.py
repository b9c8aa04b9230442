"""Which strategies a bank can be asked: what it cannot give is said before anything is replayed."""

from collections.abc import Sequence

from cogitate.server.errors import ApiError
from cogitate.server.evaluation.arms import Arm, BadArm
from cogitate.server.evaluation.replay import verifiers
from cogitate.server.planning.compatibility import refuse_comparing, refuse_unchecked, refuse_unknown_verifiers


def refuse_arms(arms: Sequence[Arm]) -> None:
    """Raises BadArm."""
    for arm in arms:
        try:
            refuse_one(arm)
        except ApiError as error:
            raise BadArm(f"{arm.name}: {error}") from None


def refuse_one(arm: Arm) -> None:
    """Raises BadArm, ApiError."""
    if arm.strategy.instruction is not None:
        raise BadArm(f"{arm.name}: a bank's samples were drawn with an instruction of their own: leave it out")
    if arm.strategy.runs:
        raise BadArm(f"{arm.name}: it runs programs, for which a replay has no sandbox: measure it live")
    known = verifiers(arm.strategy)
    refuse_unchecked(arm.strategy)
    refuse_unknown_verifiers(arm.strategy, known)
    refuse_comparing(arm.strategy, known)
