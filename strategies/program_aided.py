"""Program-aided reasoning: the model writes a program, the sandbox runs it, and the executed values vote.

Gao et al., 2022, arXiv:2211.10435 (PAL); Chen et al., 2022, arXiv:2211.12588 (PoT). No program, an error, a timeout and
no value abstain. Deviations: no exemplars, since the model is instructed; the vote stops as in self_consistency; and
`chains` of thought may join an open vote, as votes for the same answers.
"""

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.options import Options
from cogitate.strategies.core.program_value import merge_close_values
from cogitate.strategies.core.prompts import PROGRAM, VALUE
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt
from cogitate.strategies.voting.ballot import Ballot
from cogitate.strategies.voting.stop_rules import StopRule, default_concurrency, is_settled


class ProgramAided(Options):
    """Write n programs, run them in a sandbox, and take the value that most of them compute."""

    paper: ClassVar[str] = "arXiv:2211.10435"
    version: ClassVar[int] = 2

    name: Literal["program_aided"] = "program_aided"
    n: int = Field(default=8, ge=1, le=64, description="Programs at most; exactly n with stop_rule none")
    chains: int = Field(
        default=0, ge=0, le=64, description="Chains of thought that join a vote the programs leave open"
    )
    stop_rule: StopRule = Field(
        default="beta",
        description="none; certain: cannot be overtaken; beta: would probably win a vote without end; predictive: will "
        "probably win this one of n",
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="The probability at which beta and predictive stop"
    )
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Samples in flight at once; null: 3/8 of n, a quarter while others wait, and at least 4 (for "
        "predictive three quarters of that)",
    )

    @property
    def in_flight(self) -> int:
        return min(self.lanes(), max(self.n, self.chains))

    def lanes(self, *, under_load: bool = False) -> int:
        """Samples in flight; `under_load`: while others wait."""
        all_at_once = self.chains * (self.stop_rule == "none")
        return self.concurrency or max(default_concurrency(self.stop_rule, self.n, under_load=under_load), all_at_once)

    @property
    def candidates(self) -> int:
        return self.n + self.chains

    @property
    def program_runs(self) -> int:
        return self.n

    def cost(self, max_tokens: int) -> int:
        return self.candidates * max_tokens

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        programs = prompt.instruct(PROGRAM) if self.instruction is None else prompt
        chains = super().instruct(prompt)
        votes: list[Outcome] = []
        for question, n in ((programs, self.n), (chains, self.chains)):
            if n and not self.decided(votes, run):
                await self.poll(question, n, votes, run, executed=question is programs)
        ranking = Ballot.of(merge_close_values(votes)).ranking()
        return told(ranking) if not run.request.sampling.constrained else ranking

    def instruct(self, prompt: Prompt) -> Prompt:
        """Its two kinds of candidates are told different things, in `solve`; the client's own instruction is both's."""
        return prompt if self.instruction is None else super().instruct(prompt)

    async def poll(self, prompt: Prompt, n: int, votes: list[Outcome], run: Run, *, executed: bool) -> None:
        """Casts the votes of n more candidates, until the vote is decided."""
        surplus = self.stop_rule != "none"
        async with run.race(prompt, n, concurrency=self.lanes, surplus=surplus) as arrivals:
            async for candidate in arrivals:
                votes.append(Outcome(candidate, await run.read(candidate, as_program=executed)))
                run.propose(Ballot.of(merge_close_values(votes)).winner())
                if self.decided(votes, run):
                    break

    def decided(self, votes: list[Outcome], run: Run) -> bool:
        left = self.candidates - len(votes)
        return len(votes) >= run.request.answers and is_settled(
            self.stop_rule, Ballot.of(merge_close_values(votes)).rank_blocs(), left, self.confidence
        )


def told(winner: Outcome) -> Outcome:
    """The winner with its value said plainly behind the program."""
    made = winner.completion
    if winner.answer is None or winner.answer.rule != "program":
        return winner
    said = VALUE.format(value=winner.answer.raw)
    content = None if made.content is None else made.content + said
    return replace(winner, completion=replace(made, text=made.text + said, content=content, native=None))
