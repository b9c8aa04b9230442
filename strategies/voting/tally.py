"""Counts votes as samples finish, and decides when the vote may stop."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cogitate.strategies.core.offload import offload
from cogitate.strategies.core.types import Completion, ConfidenceThreshold, Outcome
from cogitate.strategies.voting.ballot import Ballot, Bloc, Weight
from cogitate.strategies.voting.confidence import lowest_confidence, percentile, window_length
from cogitate.strategies.voting.stop_rules import (
    CONFIDENCE_UNDER_LOAD,
    VoteRule,
    count_votes,
    is_decided,
    votes_to_settle,
    votes_to_share,
)
from cogitate.strategies.voting.weights import VoteWeights, is_lead_safe, leader_share, unanimous_answer

DECISIVE = 1024.0
"""The weight of a vote that outweighs all others of a search, of 1 each: there are at most 256."""


@dataclass(frozen=True, slots=True)
class StopCriteria:
    """When a vote of at most `n` samples is decided."""

    stop_rule: VoteRule
    n: int
    confidence: float
    """Posterior probability for `beta` and `predictive`, weight share for `consensus`."""
    window: int
    """Consecutive samples that must agree, for `windows`."""
    warmup: int
    """Samples required before a consensus can stop the vote."""
    relax_under_load: bool
    """Whether CONFIDENCE_UNDER_LOAD is enough while other requests wait."""


@dataclass(slots=True)
class Tally:
    """A running vote: the ballot, the vote weights and the stop criteria."""

    criteria: StopCriteria
    weights: VoteWeights
    ballot: Ballot = field(default_factory=Ballot)
    window_winner: str | None = None
    """The key of the answer on which a window agreed. It wins whatever the earlier windows contain."""

    async def cast(self, completion: Completion) -> None:
        """Add a completion's vote and propose the current winner, which is returned if the budget ends."""
        run, window = self.weights.run, self.criteria.window
        weight = 1.0 if self.weights.kind == "none" else None
        self.ballot.cast(Outcome(completion, await run.read(completion, weight=weight)))
        if self.criteria.stop_rule == "windows" and self.ballot.size % window == 0:
            self.window_winner = self.window_winner or unanimous_answer(self.ballot.votes[-window:])
        run.propose(
            self.ballot.winner(decisive_weight(self.window_winner)) if self.window_winner else self.ballot.winner()
        )

    async def build_outcome(self) -> Outcome:
        """Return the winner by weight, with the other candidates ranked."""
        if self.window_winner:
            return self.ballot.ranking(decisive_weight(self.window_winner))
        scored = await self.weights.attach_scores(self.ballot)
        return scored.ranking(self.weights.weight)

    async def may_stop(self) -> bool:
        """Whether the vote may stop. Weights are computed only where the counts allow a decision."""
        if self.criteria.stop_rule == "none" or self.ballot.size < self.weights.run.request.answers:
            return False
        blocs, remaining = self.ballot.rank_blocs(), self.criteria.n - self.ballot.size
        match self.criteria.stop_rule:
            case "windows":
                return self.window_winner is not None
            case "consensus":
                return (
                    self.ballot.size >= self.criteria.warmup
                    and await self.measure_consensus() >= self.criteria.confidence
                )
            case "certain" if self.weights.kind != "none":
                return bool(blocs) and len(blocs[0].members) > remaining and await self.is_weighted_lead_safe(remaining)
        enough = self.may_stop_by_count(blocs, remaining)
        return enough and (self.weights.kind == "none" or await self.leads_by_weight(blocs[0]))

    def votes_to_settle(self, *, under_load: bool) -> int:
        """The fewest further votes after which the vote may stop, by the counts; at least 1."""
        criteria, size, blocs = self.criteria, self.ballot.size, self.ballot.rank_blocs()
        match criteria.stop_rule:
            case "windows":
                return self.votes_to_window_end()
            case "consensus":
                return max(1, criteria.warmup - size, votes_to_share(criteria.confidence, *count_votes(blocs)))
        relaxed = under_load and criteria.relax_under_load
        confidence = min(criteria.confidence, CONFIDENCE_UNDER_LOAD) if relaxed else criteria.confidence
        request = self.weights.run.request
        needed = votes_to_settle(criteria.stop_rule, blocs, criteria.n - size, confidence, request.vote_prior)
        return max(needed, request.answers - size)

    def votes_to_window_end(self) -> int:
        """The rest of the current window; a window where this one disagrees already."""
        window, cast = self.criteria.window, self.ballot.size % self.criteria.window
        is_open = not cast or unanimous_answer(self.ballot.votes[-cast:]) is not None
        return window - cast if is_open else window

    async def measure_consensus(self) -> float:
        """Compute the leader's share of all weight, in [0, 1]."""
        scored = await self.weights.attach_scores(self.ballot)
        return leader_share(scored, self.weights.weight)

    async def is_weighted_lead_safe(self, remaining: int) -> bool:
        """Whether the leader by weight cannot be overtaken by `remaining` more votes."""
        scored = await self.weights.attach_scores(self.ballot)
        return is_lead_safe(scored, self.weights.weight, remaining)

    async def leads_by_weight(self, leader: Bloc) -> bool:
        """Whether the leader by count is also the leader by weight."""
        scored = await self.weights.attach_scores(self.ballot)
        return scored.rank_blocs(self.weights.weight)[0].first_index == leader.first_index

    def may_stop_by_count(self, blocs: Sequence[Bloc], remaining: int) -> bool:
        """Whether the counts decide the vote. Under load a lower confidence is enough."""
        run, rule = self.weights.run, self.criteria.stop_rule
        prior = run.request.vote_prior
        if is_decided(rule, blocs, remaining, self.criteria.confidence, prior):
            return True
        enough = self.criteria.relax_under_load and is_decided(rule, blocs, remaining, CONFIDENCE_UNDER_LOAD, prior)
        return enough and run.budget.shed_load(CONFIDENCE_UNDER_LOAD)

    async def set_threshold(self, retained_share: float) -> ConfidenceThreshold:
        """Compute the confidence threshold from the warm-up and withdraws the votes below it.

        `retained_share` of the voters stays above the threshold, at least one.
        """
        votes = [vote for vote in self.ballot.votes if vote.answer] or self.ballot.votes
        lengths = [len(vote.completion.logprobs) for vote in votes]
        window = window_length(lengths)

        def read() -> dict[int, float]:
            return {vote.completion.index: lowest_confidence(vote.completion.logprobs, window) for vote in votes}

        lowest = await offload(read, sum(lengths))
        threshold = percentile(list(lowest.values()), 1 - retained_share)
        self.ballot = Ballot.of(
            vote if lowest.get(vote.completion.index, 0.0) >= threshold else replace(vote, answer=None)
            for vote in self.ballot.votes
        )
        self.weights.run.propose(self.ballot.winner())
        return ConfidenceThreshold(threshold, window)


def decisive_weight(answer: str) -> Weight:
    """A weight by which one answer outweighs all others, whose votes count 1 each."""
    return lambda vote: DECISIVE if vote.answer and vote.answer.is_in_class_of(answer) else 1.0
