"""Best-of-N: samples N solutions and selects one by a verifier. Cobbe et al., 2021, arXiv:2110.14168.

`weighted` adds the scores of the solutions that agree (Li et al., 2022, arXiv:2206.02336): it degrades gracefully when
the verifier is weak.
"""

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.election import Election
from cogitate.strategies.core.models import ModelsOptions
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome
from cogitate.strategies.verifiers.options import VerifierOptions
from cogitate.strategies.voting.ballot import Ballot, impute_mean, merit, ranking, score_of


class BestOfN(ModelsOptions, VerifierOptions):
    """Sample n answers and take the one with the highest verifier score, or the answer with the highest sum."""

    temperature: ClassVar[float] = 0.8
    paper: ClassVar[str] = "arXiv:2110.14168"
    when: ClassVar[str] = "answers that a verifier can tell apart"
    when_not: ClassVar[str] = (
        "no better verifier than the model itself, especially with a large n: the highest score then selects the "
        "verifier's mistakes"
    )
    cost_note: ClassVar[str] = "n answers, n verdicts (of `pairwise`: at most 16n, with `pivot` or `swiss` about 3n)"
    draws_samples: ClassVar[bool] = True

    name: Literal["best_of_n"] = "best_of_n"
    n: int = Field(default=8, ge=1, le=256, description="Number of samples (N in the paper).")
    weighted: bool = Field(default=False, description="Choose the answer with the highest sum of scores.")

    @property
    def candidates(self) -> int:
        return self.n

    def cost(self, max_tokens: int) -> int:
        return self.n * max_tokens + self.verdict_tokens(self.n)

    @property
    def compares(self) -> bool:
        return True

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        candidates, best = list[Outcome](), None
        with run.budget.set_aside(self.verdict_tokens(self.n)):
            async with run.race(self.assign(prompt)[0], self.n) as samples:
                async for sample in samples:
                    candidates.append(Outcome(sample, await run.read(sample)))
                    best = max(best or candidates[-1], candidates[-1], key=merit)
                    run.propose(replace(best, election=Election("merit", candidates)))
        scores = await run.score(self.verifiers[0], [c.completion for c in candidates], self.aggregation)
        scored = [replace(c, score=score) for c, score in zip(candidates, impute_mean(scores), strict=True)]
        return Ballot.of(scored).ranking(score_of) if self.weighted else ranking(scored)
