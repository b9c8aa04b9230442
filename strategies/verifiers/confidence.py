"""How sure the model was while it wrote: no extra tokens.

The score is the geometric mean of two readings of the same log-probabilities, both in [0, 1]: exp of the
length-normalised log-probability (Wang et al., 2022, arXiv:2203.11171, table 1), and self-certainty, the KL divergence
of the uniform distribution from the model's (Kang et al., 2025, arXiv:2502.18581). Deviation: self-certainty is taken
over the top K alternatives, renormalised, rather than over the whole vocabulary, and squashed by 1 - exp(-x).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from cogitate.strategies.core.logprobs import packed
from cogitate.strategies.core.offload import apart
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.types import Completion, Prompt
from cogitate.strategies.verifiers.defaults import Alone

TOP = 5
"""Alternatives per token. OpenAI's API reports at most 20; the cost of carrying them grows with each."""


@dataclass(frozen=True, slots=True)
class Confidence(Alone):
    """The model's certainty of its own tokens."""

    logprobs = TOP
    needs = frozenset({"logprobs"})

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        return [Verdict((await apart(partial(confidence, each), len(each.logprobs)),)) for each in solutions]


def confidence(solution: Completion) -> float:
    """In [0, 1]; 0 where no log-probabilities were reported."""
    if solution.mean_logprob is None:
        return 0.0
    likelihoods = packed(solution.logprobs).likelihoods()
    certainty = math.fsum(self_certainty(others) for _, others in likelihoods) / len(solution.logprobs)
    return math.sqrt(math.exp(solution.mean_logprob) * -math.expm1(-certainty))


def self_certainty(alternatives: Sequence[float]) -> float:
    """KL(U || p) over the reported alternatives, in nats: 0 when all are equally likely."""
    if not alternatives:
        return 0.0
    floor = -30.0
    logprobs = [max(logprob, floor) for logprob in alternatives]
    total = math.log(math.fsum(map(math.exp, logprobs)))
    return max(0.0, -math.fsum(p - total for p in logprobs) / len(logprobs) - math.log(len(logprobs)))
