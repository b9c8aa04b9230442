"""A vote while it is counted: who has voted for what, what that weighs, and whether it is decided."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cogitate.strategies.core.offload import apart
from cogitate.strategies.core.trace import Shed
from cogitate.strategies.core.types import Completion, Floor, Outcome
from cogitate.strategies.voting.ballot import Ballot, Bloc, Weight
from cogitate.strategies.voting.confidence import lowest_confidence, percentile, window_of
from cogitate.strategies.voting.stop_rules import UNDER_LOAD, VoteRule, settled
from cogitate.strategies.voting.weights import Scale, dominance, leads, unanimous


@dataclass(frozen=True, slots=True)
class Rules:
    """When a vote of at most n is decided."""

    stop_rule: VoteRule
    n: int
    confidence: float
    window: int
    warmup: int
    yields: bool
    """While others wait a little less confidence is enough."""


@dataclass(slots=True)
class Tally:
    rules: Rules
    scale: Scale
    ballot: Ballot = field(default_factory=Ballot)
    elected: str | None = None
    """What a window agreed on: its answer stands, whatever the windows before it say."""

    async def cast(self, completion: Completion) -> None:
        """One more vote, and the answer should the budget end now."""
        run, window = self.scale.run, self.rules.window
        self.ballot.cast(Outcome(completion, await run.read(completion)))
        if self.rules.stop_rule == "windows" and self.ballot.size % window == 0:
            self.elected = self.elected or unanimous(self.ballot.votes[-window:])
        run.propose(self.ballot.winner(sole(self.elected)) if self.elected else self.ballot.winner())

    async def outcome(self) -> Outcome:
        if self.elected:
            return self.ballot.ranking(sole(self.elected))
        weighed = await self.scale.weighed(self.ballot)
        return weighed.ranking(self.scale.weight)

    async def decided(self) -> bool:
        """Whether the vote may stop. Weights are only asked for where the counts allow it."""
        if self.rules.stop_rule == "none" or self.ballot.size < self.scale.run.answers:
            return False
        blocs, left = self.ballot.ranked(), self.rules.n - self.ballot.size
        match self.rules.stop_rule:
            case "windows":
                return self.elected is not None
            case "consensus":
                return self.ballot.size >= self.rules.warmup and await self.agreed() >= self.rules.confidence
            case "certain" if self.scale.weights != "none":
                return bool(blocs) and len(blocs[0].members) > left and await self.safe(left)
        enough = self.enough(blocs, left)
        return enough and (self.scale.weights == "none" or await self.heaviest(blocs[0]))

    async def agreed(self) -> float:
        """The leader's share of all weight."""
        weighed = await self.scale.weighed(self.ballot)
        return dominance(weighed, self.scale.weight)

    async def safe(self, left: int) -> bool:
        """Whether the leader by weight cannot be overtaken."""
        weighed = await self.scale.weighed(self.ballot)
        return leads(weighed, self.scale.weight, left)

    async def heaviest(self, leader: Bloc) -> bool:
        """Whether the leader by count leads by weight, too."""
        weighed = await self.scale.weighed(self.ballot)
        return weighed.ranked(self.scale.weight)[0].first == leader.first

    def enough(self, blocs: Sequence[Bloc], left: int) -> bool:
        """By the counts; while others wait, a little sooner."""
        run, rule = self.scale.run, self.rules.stop_rule
        if settled(rule, blocs, left, self.rules.confidence):
            return True
        enough = self.rules.yields and run.pressed() and settled(rule, blocs, left, UNDER_LOAD)
        if enough:
            run.trace.emit(Shed(UNDER_LOAD))
        return enough

    async def floor(self, kept: float) -> Floor:
        """How confident that share of those who voted was throughout; the others' votes are taken back."""
        votes = [vote for vote in self.ballot.votes if vote.answer] or self.ballot.votes
        lengths = [len(vote.completion.logprobs) for vote in votes]
        window = window_of(lengths)

        def read() -> dict[int, float]:
            return {vote.completion.index: lowest_confidence(vote.completion.logprobs, window) for vote in votes}

        lowest = await apart(read, sum(lengths))
        floor = percentile(list(lowest.values()), 1 - kept)
        self.ballot = Ballot.of(
            vote if lowest.get(vote.completion.index, 0.0) >= floor else replace(vote, answer=None)
            for vote in self.ballot.votes
        )
        self.scale.run.propose(self.ballot.winner())
        return Floor(floor, window)


def sole(answer: str) -> Weight:
    """The scale on which one answer outweighs all others, which weigh 1 a vote."""
    return lambda vote: float("inf") if vote.answer and vote.answer.key == answer else 1.0
