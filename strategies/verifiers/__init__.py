"""Verifiers that need only the engine, or no model at all. Reward models belong to the engine's side."""

from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.verifiers.comparative import Groupwise, Pairwise
from cogitate.strategies.verifiers.confidence import Confidence
from cogitate.strategies.verifiers.countdown import Countdown
from cogitate.strategies.verifiers.format_checks import build_answer_check
from cogitate.strategies.verifiers.graded import Graded
from cogitate.strategies.verifiers.judge import Judge
from cogitate.strategies.verifiers.programmatic import Programmatic

BUILT_IN: dict[str, Verifier] = {
    "judge": Judge(),
    "graded": Graded(),
    "pairwise": Pairwise(),
    "groupwise": Groupwise(),
    "confidence": Confidence(),
    "programmatic": Programmatic(),
    "number": build_answer_check("number"),
    "json": build_answer_check("json"),
    "countdown": Countdown(),
}
"""By wire name."""
