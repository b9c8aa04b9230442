"""Verifiers that need only the engine, or nothing at all. Reward models are served by the engine's side."""

from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.verifiers.comparative import Groupwise, Pairwise
from cogitate.strategies.verifiers.confidence import Confidence
from cogitate.strategies.verifiers.countdown import Countdown
from cogitate.strategies.verifiers.format_checks import readable
from cogitate.strategies.verifiers.judge import Judge
from cogitate.strategies.verifiers.programmatic import Programmatic

BUILT_IN: dict[str, Verifier] = {
    "judge": Judge(),
    "pairwise": Pairwise(),
    "groupwise": Groupwise(),
    "confidence": Confidence(),
    "programmatic": Programmatic(),
    "number": readable("number"),
    "json": readable("json"),
    "countdown": Countdown(),
}
