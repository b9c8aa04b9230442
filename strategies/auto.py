"""Auto: samples more where a first wave of samples disagrees.

Snell et al., 2024, arXiv:2408.03314, predict a question's difficulty and choose by it; here the agreement of a first
wave estimates the difficulty, and the samples' likelihood decides a close vote.

| observation                                         | action                                        |
|-----------------------------------------------------|-----------------------------------------------|
| first wave (WAVE): ENOUGH that its leader wins of n | stop                                          |
| the same under load, with UNDER_LOAD for ENOUGH     | stop, and record that load was shed           |
| first wave, an answer is read, the vote is open     | more votes, until ENOUGH or n                 |
| n votes, the leader's share at least MAJORITY       | stop: the majority                            |
| n votes, no majority, the leader is the likeliest   | stop: the leader                              |
| n votes, no majority, the leader is not likeliest   | one synthesis of the answers votes as well    |
| first wave, no answer can be read in any of it      | one synthesis of the texts                    |
| under load, or too few tokens left                  | no synthesis: the best so far                 |

A synthesis is one more vote: returned instead of the vote it cost a 0.5B model 12 points of 38 on GSM8K
(deploy/results/reasoning.md). n is the maximum, and reasoning_effort sets it where n is not given. Deviation: no
search, which needs a step verifier.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from cogitate.strategies.core.options import Options
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome
from cogitate.strategies.search.population import (
    complete_candidates,
    largest_share,
    synthesise_groups,
    write_final_answer,
)
from cogitate.strategies.voting.ballot import Ballot, likelihood
from cogitate.strategies.voting.launch_policy import (
    CONCURRENCY_DESCRIPTION,
    PREFER_DESCRIPTION,
    LaunchPolicy,
    Preference,
)
from cogitate.strategies.voting.stop_rules import CONFIDENCE_UNDER_LOAD, is_decided, votes_to_settle

WAVE = 3
"""The fewest samples that can settle a vote of 16 at ENOUGH by agreeing (stop_rules.lead_probability: 0.956)."""
ENOUGH = 0.95
"""Adaptive-Consistency's default (arXiv:2305.11860), here for the probability that the leader wins the vote of n."""
MAJORITY = 0.5
"""Ours, untuned: above it no other answer can have more votes."""
MAX_SYNTHESIS_CANDIDATES = 8
"""Candidates that a synthesis reads: one GenSelect window (arXiv:2507.17797)."""
DECISIONS = [line.strip() for line in (__doc__ or "").splitlines() if line.startswith("| ")][1:]
"""The rows of the table above, for the JSON schema and the documentation."""


class Auto(Options):
    """Sample a few answers; stop where they agree, else vote on, and write one from all where no vote decides."""

    model_config = ConfigDict(
        json_schema_extra={
            "decisions": [*DECISIONS],
            "thresholds": {"WAVE": WAVE, "ENOUGH": ENOUGH, "UNDER_LOAD": CONFIDENCE_UNDER_LOAD, "MAJORITY": MAJORITY},
        }
    )
    paper: ClassVar[str] = "arXiv:2408.03314"
    when: ClassVar[str] = "questions of any kind, easy ones cheaply"
    when_not: ClassVar[str] = (
        "uniformly hard questions, which need all n votes; tasks with a step verifier, which it does not use"
    )
    cost_note: ClassVar[str] = "4 answers where they agree, at most n + 1"
    why_one_model: ClassVar[str] = (
        "it compares the likelihoods of samples, which only one model's have in common; self_consistency takes several"
    )
    version: ClassVar[int] = 4
    draws_samples: ClassVar[bool] = True

    name: Literal["auto"] = "auto"
    n: int = Field(default=16, ge=1, le=256, description="Maximum number of samples.")
    concurrency: int | None = Field(
        default=None, ge=1, le=256, description=f"{CONCURRENCY_DESCRIPTION}; the first {WAVE} start together."
    )
    prefer: Preference = Field(default="tokens", description=PREFER_DESCRIPTION)

    @property
    def candidates(self) -> int:
        return self.n

    @property
    def single(self) -> Mapping[str, object]:
        return {"n": 1}

    @property
    def in_flight(self) -> int:
        return self.launch.limit

    @property
    def launch(self) -> LaunchPolicy:
        """When the samples after the first wave start."""
        return LaunchPolicy(self.n, min(WAVE, self.n), self.concurrency, self.prefer)

    @property
    def logprobs(self) -> int | None:
        return 0

    def cost(self, max_tokens: int) -> int:
        return (self.n + 1) * max_tokens

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        ballot = Ballot()
        if self.prefer == "latency":
            await self.collect_votes(prompt, self.n, ballot, run)
        else:
            await self.collect_in_waves(prompt, ballot, run)
        if self.is_undecidable(ballot) and self.can_afford_synthesis(ballot, run):
            if not ballot.blocs:
                return await write_final_answer(prompt, select_distinct(ballot), ballot.votes, run)
            for vote in await synthesise_groups(prompt, [select_distinct(ballot)], run):
                ballot.cast(vote)
        return ballot.ranking()

    async def collect_in_waves(self, prompt: Prompt, ballot: Ballot, run: Run) -> None:
        """Cast the votes of the first wave, then more where the vote is open."""
        await self.collect_votes(prompt, min(WAVE, self.n), ballot, run, first_wave=True)
        decided = self.may_stop(ballot, run)
        open_vote = bool(ballot.blocs) and not decided
        missing = self.n - ballot.size if open_vote else max(0, run.request.answers - ballot.size)
        if missing:
            await self.collect_votes(prompt, missing, ballot, run)
        elif decided:
            run.budget.spared += self.n - ballot.size

    async def collect_votes(
        self, prompt: Prompt, n: int, ballot: Ballot, run: Run, *, first_wave: bool = False
    ) -> None:
        """Cast n more votes; after the first wave, fewer once the vote is decided."""

        def needed(*, under_load: bool) -> int:
            enough = CONFIDENCE_UNDER_LOAD if under_load else ENOUGH
            blocs, prior = ballot.rank_blocs(), run.request.vote_prior
            settling = votes_to_settle("predictive", blocs, self.n - ballot.size, enough, prior)
            return max(settling, run.request.answers - ballot.size)

        concurrency = self.concurrency if first_wave else self.launch.follow(needed)
        async with run.race(prompt, n, concurrency=concurrency, surplus=not first_wave) as samples:
            async for sample in samples:
                ballot.cast(Outcome(sample, await run.read(sample, weight=1.0)))
                run.propose(ballot.winner())
                if not first_wave and ballot.size >= run.request.answers and self.may_stop(ballot, run):
                    break

    def may_stop(self, ballot: Ballot, run: Run) -> bool:
        """Return whether the leader will probably win the vote of n; under load a lower probability is enough."""
        blocs, remaining, prior = ballot.rank_blocs(), self.n - ballot.size, run.request.vote_prior
        if is_decided("predictive", blocs, remaining, ENOUGH, prior):
            return True
        enough_under_load = is_decided("predictive", blocs, remaining, CONFIDENCE_UNDER_LOAD, prior)
        return enough_under_load and run.budget.shed_load(CONFIDENCE_UNDER_LOAD)

    def is_undecidable(self, ballot: Ballot) -> bool:
        """Return whether neither agreement nor likelihood selects an answer: no majority, and a rival is likelier."""
        if ballot.size < 2 or largest_share(ballot.votes) == 1:
            return False
        if not ballot.blocs:
            return bool(select_distinct(ballot))
        leader, *rivals = ballot.rank_blocs()
        majority = len(leader.members) >= MAJORITY * ballot.size
        return not majority and any(rival.likelihood >= leader.likelihood for rival in rivals)

    def can_afford_synthesis(self, ballot: Ballot, run: Run) -> bool:
        """Return whether no other request waits, and the longest answer so far fits into the tokens left."""
        longest = max(vote.completion.completion_tokens for vote in ballot.votes)
        return not run.budget.under_load() and (run.budget.tokens_left is None or run.budget.tokens_left >= longest)


def select_distinct(ballot: Ballot) -> list[Outcome]:
    """Return one candidate for each answer, the most frequent first; without answers, the likeliest complete texts."""
    heads = [bloc.representative for bloc in ballot.rank_blocs()]
    texts = sorted(complete_candidates(ballot.abstentions), key=likelihood, reverse=True)
    return (heads or texts)[:MAX_SYNTHESIS_CANDIDATES]
