"""What a vote weighs. One scale for one question; what it costs to know is spent once a vote, in batches.

confidence: the model's own, group by group (DeepConf, arXiv:2508.15260; certainty.py says how it is read). p_true: one
token behind the sample's own text, on its cached prefix, asks how sure it is, and the answers' probabilities go through
a softmax within the question (CISC, Taubenfeld et al., 2025, arXiv:2502.06233). verifier: the score. Votes always add
up; averaging them is far worse (Wang et al., 2022, arXiv:2203.11171, table 1).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from cogitate.strategies.core.label_probs import shares
from cogitate.strategies.core.offload import apart
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompts import HOW_SURE, SURE, UNSURE
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Aggregation, Completion, Outcome
from cogitate.strategies.voting.ballot import Ballot, Weight, filled, one, score_of
from cogitate.strategies.voting.confidence import trace_confidence, window_of

Weights = Literal["none", "confidence", "p_true", "verifier"]


@dataclass(slots=True)
class Scale:
    """Weighs votes, and remembers what it has weighed."""

    run: Run
    weights: Weights
    verifier: str = "judge"
    aggregation: Aggregation | None = None
    temperature: float = 1.0
    scores: dict[int, float] = field(default_factory=dict)
    window: int = 0
    trusts: dict[tuple[int, int], float] = field(default_factory=dict)
    """A vote's confidence, by its number and the window it was read with."""

    async def weighed(self, ballot: Ballot) -> Ballot:
        """The same votes with their scores. Who abstains is not asked: that vote weighs nothing."""
        if self.weights == "none":
            return ballot
        voters = [vote for vote in ballot.votes if vote.answer]
        if self.weights == "confidence":
            await self._trust([vote.completion for vote in voters])
        fresh = [vote.completion for vote in voters if vote.completion.index not in self.scores]
        if self.weights in ("p_true", "verifier") and fresh:
            scores = await self._scores(fresh)
            self.scores |= {made.index: score for made, score in zip(fresh, scores, strict=True)}
        return Ballot.of(replace(vote, score=self.scores.get(vote.completion.index)) for vote in ballot.votes)

    @property
    def weight(self) -> Weight:
        """What each of those weighs; at most 1 but for confidence, which has no bound."""
        match self.weights:
            case "confidence":
                return lambda vote: self.trusts[vote.completion.index, self.window]
            case "p_true":
                return lambda vote: tempered(score_of(vote), self.temperature)
            case "verifier":
                return score_of
        return one

    async def _trust(self, voters: Sequence[Completion]) -> None:
        self.window = window_of([len(made.logprobs) for made in voters])
        for made in voters:
            if (made.index, self.window) not in self.trusts:
                read = partial(trace_confidence, made.logprobs, self.window)
                self.trusts[made.index, self.window] = await apart(read, len(made.logprobs))

    async def _scores(self, candidates: Sequence[Completion]) -> list[float]:
        if self.weights == "verifier":
            return known(await self.run.score(self.verifier, candidates, self.aggregation))
        return await p_true(candidates, self.run)


async def p_true(candidates: Sequence[Completion], run: Run) -> list[float]:
    """How sure the model says it is of each. Where a probe was lost, the mean of the others."""
    probes = [candidate.path.say(HOW_SURE) for candidate in candidates]
    try:
        asked = await run.ask(probes, SURE + UNSURE)
    except SampleFailed:
        asked = [None] * len(probes)
    return known([None if probe is None else sure(probe) for probe in asked])


def known(scores: Sequence[float | None]) -> list[float]:
    """Where all were lost, each is as likely right as wrong."""
    return [0.5 if score is None else score for score in filled(scores)]


def sure(probe: Completion) -> float | None:
    """P(1) / (P(0) + P(1)); None where neither was reported."""
    found = shares(probe, (SURE, UNSURE))
    return found[0] if found else None


def tempered(probability: float, temperature: float) -> float:
    """A softmax's numerator, for a probability that is at most 1. All votes of a question share its denominator."""
    return math.exp((probability - 1) / temperature)


def leads(ballot: Ballot, weight: Weight, remaining: int) -> bool:
    """Whether the leader cannot be overtaken by `remaining` votes more, none of which weighs more than 1."""
    totals = sorted((math.fsum(map(weight, bloc.members)) for bloc in ballot.blocs.values()), reverse=True)
    return bool(totals) and totals[0] - math.fsum(totals[1:2]) > remaining


def dominance(ballot: Ballot, weight: Weight) -> float:
    """The leader's share of the weight of all who answer, in [0, 1]; 0 where nothing weighs."""
    totals = [math.fsum(map(weight, bloc.members)) for bloc in ballot.blocs.values()]
    return max(totals) / math.fsum(totals) if totals and max(totals) > 0 else 0.0


def unanimous(votes: Sequence[Outcome]) -> str | None:
    """The one answer that all of these give; None where they differ or one abstains."""
    keys = {vote.answer.key if vote.answer else None for vote in votes}
    return next(iter(keys)) if len(keys) == 1 else None
