"""Auto: spends where a first wave of samples disagrees. Snell et al., 2024, arXiv:2408.03314, predict a question's
difficulty and choose by it; here the wave's agreement stands for the difficulty, and confidence settles a close vote.

| what is seen                                        | what is done                                  |
|-----------------------------------------------------|-----------------------------------------------|
| first wave (WAVE): ENOUGH that its leader wins of n | stop                                          |
| the same while others wait, UNDER_LOAD of it        | stop, and say so                              |
| first wave, an answer is read, the vote is open     | more votes, WAVE in flight, until ENOUGH or n |
| n votes, the leader's share at least MAJORITY       | stop: the majority                            |
| n votes, no majority, leader also the likeliest     | stop: the leader                              |
| n votes, no majority, leader not the likeliest      | one synthesis of the answers votes, too       |
| first wave, no answer can be read in any of it      | one synthesis of the texts                    |
| others wait, or too few tokens are left             | no synthesis: the best so far                 |

A synthesis is one vote among others: served in their place it lost a 0.5B model 12 points of 38 on GSM8K
(deploy/results/reasoning.md). n is the ceiling, and reasoning_effort sets it where n is left open. Deviation: no
search, which needs a step verifier.
"""

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from cogitate.strategies.core.options import Options
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt
from cogitate.strategies.search.population import (
    complete_candidates,
    largest_share,
    synthesise_groups,
    write_final_answer,
)
from cogitate.strategies.voting.ballot import Ballot, likelihood
from cogitate.strategies.voting.stop_rules import CONFIDENCE_UNDER_LOAD, is_settled

WAVE = 3
"""The least number of samples that can settle a vote of 16 at ENOUGH, by agreeing (votes.lead_kept: 0.956)."""
ENOUGH = 0.95
"""Adaptive-Consistency's default (arXiv:2305.11860), here of the chance that the leader wins the vote of n."""
MAJORITY = 0.5
"""Ours, untuned: above it no other answer can have more votes."""
SHOWN = 8
"""Candidates that a synthesis reads: one GenSelect window (arXiv:2507.17797)."""
DECISIONS = [line.strip() for line in (__doc__ or "").splitlines() if line.startswith("| ")][1:]


class Auto(Options):
    """Sample a few answers; stop where they agree, else vote on, and write one from all where no vote decides."""

    model_config = ConfigDict(
        json_schema_extra={
            "decisions": [*DECISIONS],
            "thresholds": {"WAVE": WAVE, "ENOUGH": ENOUGH, "UNDER_LOAD": CONFIDENCE_UNDER_LOAD, "MAJORITY": MAJORITY},
        }
    )
    paper: ClassVar[str] = "arXiv:2408.03314"
    version: ClassVar[int] = 3

    name: Literal["auto"] = "auto"
    n: int = Field(default=16, ge=1, le=256, description="Samples at most")

    @property
    def candidates(self) -> int:
        return self.n

    @property
    def in_flight(self) -> int:
        return min(WAVE, self.n)

    @property
    def logprobs(self) -> int | None:
        return 0

    def cost(self, max_tokens: int) -> int:
        return (self.n + 1) * max_tokens

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        ballot = Ballot()
        await self.vote(prompt, min(WAVE, self.n), ballot, run, wave=True)
        decided = self.decided(ballot, run)
        open_vote = bool(ballot.blocs) and not decided
        missing = self.n - ballot.size if open_vote else max(0, run.request.answers - ballot.size)
        if missing:
            await self.vote(prompt, missing, ballot, run)
        elif decided:
            run.budget.spared += self.n - ballot.size
        if self.torn(ballot) and self.affordable(ballot, run):
            if not ballot.blocs:
                return await write_final_answer(prompt, spread(ballot), ballot.votes, run)
            for vote in await synthesise_groups(prompt, [spread(ballot)], run):
                ballot.cast(vote)
        return ballot.ranking()

    async def vote(self, prompt: Prompt, n: int, ballot: Ballot, run: Run, *, wave: bool = False) -> None:
        """n more votes; behind the first wave, fewer once it is decided."""
        async with run.race(prompt, n, concurrency=WAVE, surplus=not wave) as arrivals:
            async for completion in arrivals:
                ballot.cast(Outcome(completion, await run.read(completion)))
                run.propose(ballot.winner())
                if not wave and ballot.size >= run.request.answers and self.decided(ballot, run):
                    break

    def decided(self, ballot: Ballot, run: Run) -> bool:
        blocs, left = ballot.rank_blocs(), self.n - ballot.size
        if is_settled("predictive", blocs, left, ENOUGH):
            return True
        enough = is_settled("predictive", blocs, left, CONFIDENCE_UNDER_LOAD)
        return enough and run.shed_load(CONFIDENCE_UNDER_LOAD)

    def torn(self, ballot: Ballot) -> bool:
        """Neither agreement nor confidence says which one: no majority, and another answer is the likeliest."""
        if ballot.size < 2 or largest_share(ballot.votes) == 1:
            return False
        if not ballot.blocs:
            return bool(spread(ballot))
        first, *others = ballot.rank_blocs()
        majority = len(first.members) >= MAJORITY * ballot.size
        return not majority and any(other.likelihood >= first.likelihood for other in others)

    def affordable(self, ballot: Ballot, run: Run) -> bool:
        """Nobody waits, and the tokens left are enough for an answer as long as the longest so far."""
        longest = max(vote.completion.completion_tokens for vote in ballot.votes)
        return not run.budget.under_load() and (run.budget.tokens_left is None or run.budget.tokens_left >= longest)


def spread(ballot: Ballot) -> list[Outcome]:
    """One candidate for each answer, the commonest first; where none can be read, the likeliest texts."""
    heads = [bloc.representative for bloc in ballot.rank_blocs()]
    return (heads or sorted(complete_candidates(ballot.abstentions), key=likelihood, reverse=True))[:SHOWN]
