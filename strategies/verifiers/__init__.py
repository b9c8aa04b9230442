"""Verifiers that need only the engine, or nothing at all. Reward models are served by the engine's side."""

from strategies.ports import Verifier
from strategies.verifiers.comparing import Groupwise, Pairwise
from strategies.verifiers.confidence import Confidence
from strategies.verifiers.countdown import Countdown
from strategies.verifiers.form import readable
from strategies.verifiers.judge import Judge
from strategies.verifiers.programmatic import Programmatic

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
