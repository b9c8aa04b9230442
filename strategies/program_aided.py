"""Program-aided reasoning: the model writes a program, the sandbox runs it, and the printed values vote.

Gao et al., 2022, arXiv:2211.10435 (PAL); Chen et al., 2022, arXiv:2211.12588 (PoT). A candidate without a program, with
an error, a timeout or no value abstains. Deviations: no exemplars, since the model is instructed; the vote stops as in
self_consistency; and `chains` of thought may join an open vote, as votes for the same answers.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.options import Options
from cogitate.strategies.core.program_value import merge_close_values
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.prompts import PROGRAM, VALUE
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome
from cogitate.strategies.voting.ballot import Ballot
from cogitate.strategies.voting.launch_policy import (
    CONCURRENCY_DESCRIPTION,
    PREFER_DESCRIPTION,
    LaunchPolicy,
    Preference,
)
from cogitate.strategies.voting.stop_rules import StopRule, is_decided, votes_to_settle


class ProgramAided(Options):
    """Write n programs, run them in a sandbox, and take the value that most of them compute."""

    paper: ClassVar[str] = "arXiv:2211.10435"
    when: ClassVar[str] = "arithmetic and counting; needs `--code-exec`"
    when_not: ClassVar[str] = "what no program computes: knowledge, proofs, prose; a model that cannot program"
    cost_note: ClassVar[str] = "at most n answers and n runs of a program, fewer once the vote is decided"
    why_one_model: ClassVar[str] = (
        "its programs and chains are shares of one model's vote; self_consistency takes several"
    )
    version: ClassVar[int] = 4
    draws_samples: ClassVar[bool] = True

    name: Literal["program_aided"] = "program_aided"
    n: int = Field(default=8, ge=1, le=64, description="Maximum number of programs; exactly n with `stop_rule` `none`.")
    chains: int = Field(
        default=0, ge=0, le=64, description="Chains of thought that join a vote which the programs leave open."
    )
    stop_rule: StopRule = Field(
        default="predictive",
        description="When sampling stops early. `none`: never; `certain`: the leader cannot be overtaken; `beta`: the "
        "leader is probably the majority answer of the model; `predictive`: the leader will probably win the vote of "
        "n.",
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="Stop threshold: posterior probability for `beta` and `predictive`."
    )
    concurrency: int | None = Field(default=None, ge=1, le=64, description=f"{CONCURRENCY_DESCRIPTION}.")
    prefer: Preference = Field(default="tokens", description=PREFER_DESCRIPTION)

    @property
    def launch(self) -> LaunchPolicy:
        """When programs and chains start."""
        largest = max(self.n, self.chains)
        first = votes_to_settle(self.stop_rule, [], self.candidates, self.confidence)
        concurrency = largest if self.stop_rule == "none" else None
        return LaunchPolicy(largest, first, self.concurrency or concurrency, self.prefer)

    @property
    def in_flight(self) -> int:
        return self.launch.limit

    @property
    def candidates(self) -> int:
        return self.n + self.chains

    @property
    def single(self) -> Mapping[str, object]:
        return {"n": 1, "chains": min(self.chains, 1)}

    @property
    def program_runs(self) -> int:
        return self.n

    def cost(self, max_tokens: int) -> int:
        return self.candidates * max_tokens

    def instruct(self, prompt: Prompt) -> Prompt:
        """Add the client's instruction; the strategy's own differ for programs and chains, and are added in `solve`."""
        return prompt if self.instruction is None else super().instruct(prompt)

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        programs = prompt.instruct(PROGRAM) if self.instruction is None else prompt
        chains = super().instruct(prompt)
        votes: list[Outcome] = []
        for question, n in ((programs, self.n), (chains, self.chains)):
            if n and not self.may_stop(votes, run):
                await self.collect_votes(question, n, votes, run, as_program=question is programs)
        ranking = Ballot.of(merge_close_values(votes)).ranking()
        return ranking if run.request.sampling.constrained else append_value(ranking)

    async def collect_votes(self, prompt: Prompt, n: int, votes: list[Outcome], run: Run, *, as_program: bool) -> None:
        """Add the votes of n more candidates, until the vote is decided."""
        surplus = self.stop_rule != "none"

        def needed(*, under_load: bool) -> int:  # noqa: ARG001 the rule is the same under load
            blocs = Ballot.of(merge_close_values(votes)).rank_blocs()
            outstanding = self.candidates - len(votes)
            prior = run.request.vote_prior
            settling = votes_to_settle(self.stop_rule, blocs, outstanding, self.confidence, prior)
            return max(settling, run.request.answers - len(votes))

        async with run.race(prompt, n, concurrency=self.launch.follow(needed), surplus=surplus) as samples:
            async for sample in samples:
                votes.append(Outcome(sample, await run.read(sample, as_program=as_program, weight=1.0)))
                run.propose(Ballot.of(merge_close_values(votes)).winner())
                if self.may_stop(votes, run):
                    break

    def may_stop(self, votes: list[Outcome], run: Run) -> bool:
        remaining = self.candidates - len(votes)
        if len(votes) < run.request.answers:
            return False
        blocs = Ballot.of(merge_close_values(votes)).rank_blocs()
        return is_decided(self.stop_rule, blocs, remaining, self.confidence, run.request.vote_prior)


def append_value(winner: Outcome) -> Outcome:
    """Return the winner with its value in words after the program."""
    completion = winner.completion
    if winner.answer is None or winner.answer.rule != "program":
        return winner
    text = VALUE.format(value=winner.answer.raw)
    content = None if completion.content is None else completion.content + text
    return replace(winner, completion=replace(completion, text=completion.text + text, content=content, native=None))
