"""A scripted engine whose letters have probabilities by what they stand for and by where they stand."""

import math
import re
from collections.abc import Callable, Mapping

from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.scripted import ScriptedEngine

LINE = re.compile(r"^([A-Z]): (.*?)(?: - .*)?$", re.MULTILINE)
PLACE_BIAS = (3.0, 1.0, 0.5, 2.0, 0.25, 1.5)
"""How much the letters attract the model by themselves."""


def read_letters(prompt: Prompt) -> dict[str, str]:
    """Return the option of each letter, as the prompt shows them."""
    return dict(LINE.findall(prompt.question.rpartition("Question: ")[2]))


def build_engine(preference: Callable[[str], float], mass: float = 0.9, **fields) -> ScriptedEngine:
    """Return an engine that prefers options by `preference`, times the bias of their place."""

    def labels(prompt: Prompt) -> Mapping[str, float]:
        shown = read_letters(prompt)
        weights = {letter: preference(shown[letter]) * PLACE_BIAS[at % 6] for at, letter in enumerate(shown)}
        total = math.fsum(weights.values())
        return {letter: math.log(mass * weight / total) for letter, weight in weights.items() if weight}

    return ScriptedEngine(["A"], labels=labels, **fields)
