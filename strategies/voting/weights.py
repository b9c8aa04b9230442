"""Vote weights: model confidence, P(True) or a verifier's score.

A `VoteWeights` object belongs to one question. It computes the weight of each vote once, for many votes at a time.

- confidence: the trace confidence of DeepConf (arXiv:2508.15260), see `confidence.py`.
- p_true: one token after the sample's own text, on its cached prefix, asks how sure the model is; the answers'
  probabilities go through a softmax within the question (CISC, Taubenfeld et al., 2025, arXiv:2502.06233).
- verifier: the verifier's score.

Weights are summed per answer; averaging them is far worse (Wang et al., 2022, arXiv:2203.11171, table 1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from cogitate.strategies.core.label_probs import label_probabilities
from cogitate.strategies.core.offload import offload
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompts import HOW_SURE, SURE, UNSURE
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Aggregation, Completion, Outcome
from cogitate.strategies.voting.ballot import Ballot, Weight, impute_mean, score_of, unit_weight
from cogitate.strategies.voting.confidence import trace_confidence, window_length

WeightKind = Literal["none", "confidence", "p_true", "verifier"]


@dataclass(slots=True)
class VoteWeights:
    """Computes the weights of votes and caches them by sample index."""

    run: Run
    kind: WeightKind
    verifier: str = "judge"
    aggregation: Aggregation | None = None
    temperature: float = 1.0
    """Softmax temperature of `p_true`."""
    scores: dict[int, float] = field(default_factory=dict)
    """Verifier scores or P(True) by sample index."""
    window: int = 0
    """The window, in tokens, of the latest confidences."""
    confidences: dict[tuple[int, int], float] = field(default_factory=dict)
    """Trace confidence by sample index and window."""

    async def attach_scores(self, ballot: Ballot) -> Ballot:
        """Return the ballot with the votes' scores filled in. Abstentions are not scored: they have no weight."""
        if self.kind == "none":
            return ballot
        voters = [vote for vote in ballot.votes if vote.answer]
        if self.kind == "confidence":
            await self._compute_confidences([vote.completion for vote in voters])
        fresh = [vote.completion for vote in voters if vote.completion.index not in self.scores]
        if self.kind in ("p_true", "verifier") and fresh:
            scores = await self._fetch_scores(fresh)
            self.scores |= {completion.index: score for completion, score in zip(fresh, scores, strict=True)}
        return Ballot.of(replace(vote, score=self.scores.get(vote.completion.index)) for vote in ballot.votes)

    @property
    def weight(self) -> Weight:
        """The weight of a scored vote: at most 1, except `confidence`, which is unbounded."""
        match self.kind:
            case "confidence":
                return lambda vote: self.confidences[vote.completion.index, self.window]
            case "p_true":
                return lambda vote: softmax_numerator(score_of(vote), self.temperature)
            case "verifier":
                return score_of
        return unit_weight

    async def _compute_confidences(self, voters: Sequence[Completion]) -> None:
        self.window = window_length([len(completion.logprobs) for completion in voters])
        for completion in voters:
            if (completion.index, self.window) not in self.confidences:
                read = partial(trace_confidence, completion.logprobs, self.window)
                self.confidences[completion.index, self.window] = await offload(read, len(completion.logprobs))

    async def _fetch_scores(self, candidates: Sequence[Completion]) -> list[float]:
        if self.kind == "verifier":
            return fill_missing(await self.run.score(self.verifier, candidates, self.aggregation))
        return await ask_p_true(candidates, self.run)


async def ask_p_true(candidates: Sequence[Completion], run: Run) -> list[float]:
    """Ask the model how sure it is of each candidate, in [0, 1]. A missing verdict gets the mean of the others."""
    prompts = [candidate.continuation.prefill(HOW_SURE) for candidate in candidates]
    try:
        verdicts = await run.generate_each(prompts, role="verifier", labels=SURE + UNSURE)
    except SampleFailed:
        verdicts = [None] * len(prompts)
    return fill_missing([None if verdict is None else probability_sure(verdict) for verdict in verdicts])


def fill_missing(scores: Sequence[float | None]) -> list[float]:
    """Replace missing scores with the mean of the known ones, or with 0.5 where none is known."""
    return [0.5 if score is None else score for score in impute_mean(scores)]


def probability_sure(verdict: Completion) -> float | None:
    """P(1) / (P(0) + P(1)) of a verdict; None where neither label was reported."""
    probabilities = label_probabilities(verdict, (SURE, UNSURE))
    return probabilities[0] if probabilities else None


def softmax_numerator(probability: float, temperature: float) -> float:
    """The numerator of the softmax of a probability.

    The votes of one question share the denominator; subtracting 1 keeps the exponent <= 0.
    """
    return math.exp((probability - 1) / temperature)


def is_lead_safe(ballot: Ballot, weight: Weight, remaining: int) -> bool:
    """Whether the leader by weight cannot be overtaken by `remaining` more votes of weight at most 1."""
    totals = sorted((math.fsum(map(weight, bloc.members)) for bloc in ballot.blocs.values()), reverse=True)
    return bool(totals) and totals[0] - math.fsum(totals[1:2]) > remaining


def leader_share(ballot: Ballot, weight: Weight) -> float:
    """The leader's share of the total weight, in [0, 1]; 0 where no vote has weight."""
    totals = [math.fsum(map(weight, bloc.members)) for bloc in ballot.blocs.values()]
    return max(totals) / math.fsum(totals) if totals and max(totals) > 0 else 0.0


def unanimous_answer(votes: Sequence[Outcome]) -> str | None:
    """The key of the answer that all votes give; None where they differ or one abstains."""
    keys = {vote.answer.class_key if vote.answer else None for vote in votes}
    return next(iter(keys)) if len(keys) == 1 else None
