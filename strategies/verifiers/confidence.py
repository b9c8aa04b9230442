"""Scores a solution by the model's confidence while decoding it; costs no extra tokens.

The score is the geometric mean of two readings of the same log-probabilities, both in [0, 1]: exp of the
length-normalised log-probability (Wang et al., 2022, arXiv:2203.11171, table 1), and self-certainty, the KL divergence
of the uniform distribution from the model's (Kang et al., 2025, arXiv:2502.18581).

Deviations: self-certainty is taken over the top k alternatives, renormalised, rather than over the entire vocabulary,
and mapped to [0, 1) by 1 - exp(-x). Combining the two by a geometric mean is ours and from neither paper: the first
rates the chosen tokens and the second the distribution, and a low value of either lowers the score.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from cogitate.strategies.core.confidence_monitor import MIN_LOGPROB, TOP_ALTERNATIVES
from cogitate.strategies.core.logprobs import pack
from cogitate.strategies.core.offload import offload
from cogitate.strategies.core.ports import Ask, Verdict
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.types import Completion
from cogitate.strategies.verifiers.defaults import VerifierDefaults


@dataclass(frozen=True, slots=True)
class Confidence(VerifierDefaults):
    """Scores solutions by the log-probabilities that the engine reported."""

    is_pure = True
    logprobs = TOP_ALTERNATIVES
    needs = frozenset({"logprobs"})

    async def judge(self, question: Prompt, solutions: Sequence[Completion], ask: Ask) -> list[Verdict]:
        return [Verdict((await offload(partial(confidence, each), len(each.logprobs)),)) for each in solutions]


def confidence(solution: Completion) -> float:
    """The score in [0, 1]; 0 where no log-probabilities were reported."""
    if solution.mean_logprob is None:
        return 0.0
    likelihoods = pack(solution.logprobs).likelihoods()
    certainty = math.fsum(self_certainty(alternatives) for _, alternatives in likelihoods) / len(solution.logprobs)
    return math.sqrt(math.exp(solution.mean_logprob) * -math.expm1(-certainty))


def self_certainty(alternatives: Sequence[float]) -> float:
    """KL(U || p) over the reported alternatives, in nats: 0 where all are equally likely."""
    if not alternatives:
        return 0.0
    logprobs = [max(logprob, MIN_LOGPROB) for logprob in alternatives]
    total = math.log(math.fsum(map(math.exp, logprobs)))
    return max(0.0, -math.fsum(p - total for p in logprobs) / len(logprobs) - math.log(len(logprobs)))
