"""Synthesis: new answers are written from several old ones, round after round.

rsa: each of n new candidates is made from k of the old, drawn without replacement, `loops` times, and the most frequent
answer is returned (recursive self-aggregation, Venkatraman et al., 2025, arXiv:2509.26626). pacore: rounds of given
widths, each reading all of the previous one, shuffled, then one last answer (PaCoRe, arXiv:2601.05593). moa: layers of
n, then one answer (mixture of agents on one model, Wang et al., arXiv:2406.04692). pdr: `loops` rounds of n, each of
which starts from notes of bounded length on the previous one, as does the last answer (Parallel-Distill-Refine, Madaan
et al., 2025, arXiv:2510.01123; see `search.distil`). fusion: n candidates, a judge's reading of them, then one answer
(see `search.fusion`).

Deviations: it ends once nearly all agree, or rsa's majority is unchanged for three populations; and rsa returns a
member of the largest class rather than a random one.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.models import ModelName, ModelsOptions
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome
from cogitate.strategies.search.distil import build_notes_prompt
from cogitate.strategies.search.fusion import build_fusion_prompt
from cogitate.strategies.search.population import (
    CONSENSUS_SHARE,
    answer_last,
    build_aggregation_prompt,
    complete_candidates,
    identity_key,
    largest_share,
    sample_candidates,
    synthesise_prompts,
)
from cogitate.strategies.voting.ballot import Ballot

MAX_UNCHANGED_LOOPS = 2
"""Consecutive loops with the same majority after which rsa ends."""


class Synthesis(ModelsOptions):
    """Write new answers from several old ones, round after round; also for free-form answers."""

    temperature: ClassVar[float] = 1.0
    paper: ClassVar[str] = "arXiv:2509.26626"
    when: ClassVar[str] = "hard questions on a strong model, and prose"
    when_not: ClassVar[str] = (
        "a weak model, which copies what it reads; a context too short for k answers and one more, where `pdr` works"
    )
    cost_note: ClassVar[str] = (
        "n answers a round, each reading k others; fewer once they agree; with `pdr` notes of at most 1024 tokens a "
        "round, with `fusion` once"
    )
    version: ClassVar[int] = 2
    draws_samples: ClassVar[bool] = True

    name: Literal["synthesis"] = "synthesis"
    method: Literal["rsa", "pacore", "moa", "pdr", "fusion"] = Field(
        default="rsa",
        description="How a round reads the previous one. `rsa`: k answers each; `pacore`, `moa`: all answers; `pdr`: "
        "notes of at most `notes_tokens` on them, also where the answers exceed the context; `fusion`: one round, a "
        "judge's list of consensus, contradictions and gaps, then the answer.",
    )
    n: int = Field(default=4, ge=1, le=64, description="Candidates in each round; `pacore` uses `rounds` instead.")
    k: int = Field(default=2, ge=1, le=16, description="Candidates that each new one of `rsa` is made from.")
    loops: int = Field(
        default=2,
        ge=1,
        le=16,
        description="Rounds of `rsa` after the first; layers of `moa`; rounds of `pdr` before the last answer.",
    )
    rounds: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        default=(4,), min_length=1, max_length=4, strict=False, description="Candidates in each round of `pacore`."
    )

    notes_tokens: int = Field(
        default=1024, ge=64, le=8192, description="Maximum tokens of the notes of `pdr`, and of the lists of `fusion`."
    )
    calls: int = Field(
        default=2,
        ge=1,
        le=2,
        description="Calls of `fusion` after the candidates. 2: the lists, then the answer; 1: both in one text, the "
        "lists in `<analysis>` tags.",
    )

    synthesis_model: ModelName | None = Field(
        default=None, description="The model that reads candidates and writes new ones. null: the request's own."
    )

    @property
    def other_models(self) -> Mapping[str, tuple[str, ...]]:
        return {**super().other_models, "synthesis_model": (self.synthesis_model,) if self.synthesis_model else ()}

    @property
    def draws(self) -> int:
        return self.widths[0]

    @property
    def widths(self) -> tuple[int, ...]:
        """The candidates of each round."""
        match self.method:
            case "pacore":
                return self.rounds
            case "fusion":
                return (self.n,)
            case "rsa":
                return (self.n,) * (self.loops + 1)
        return (self.n,) * self.loops

    @property
    def notes_written(self) -> int:
        """How often notes are written: by `pdr` after every round, by `fusion` in a call of its own or not at all."""
        return {"pdr": self.loops, "fusion": self.calls - 1}.get(self.method, 0)

    @property
    def candidates(self) -> int:
        """At least these: the search may end with any round."""
        return min(self.widths)

    @property
    def single(self) -> Mapping[str, object]:
        return {**super().single, "rounds": (max(1, len(self.models)),)}

    @property
    def in_flight(self) -> int:
        return max(self.widths)

    def cost(self, max_tokens: int) -> int:
        answers = sum(self.widths) + (self.method != "rsa")
        return answers * max_tokens + self.notes_written * min(max_tokens, self.notes_tokens)

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        _, *later = self.widths
        population = await sample_candidates(self.assign(prompt)[0], run)
        prompt = prompt.to_model(self.synthesis_model or "")
        rng = random.Random(run.request.sampling.seed)  # noqa: S311 which candidates are drawn is no secret
        leaders = [identity_key(Ballot.of(population).winner())]
        for width in later:
            pool = complete_candidates(population)
            if not pool or largest_share(population) >= CONSENSUS_SHARE or is_stable(leaders):
                return Ballot.of(population).ranking()
            prompts = await self.build_prompts(prompt, pool, width, rng, run)
            population = await synthesise_prompts(prompts, run) or population
            leader = Ballot.of(population).winner()
            run.propose(leader)
            leaders.append(identity_key(leader))
        pool = complete_candidates(population)
        if not pool or self.method == "rsa" or largest_share(population) >= CONSENSUS_SHARE:
            return Ballot.of(population).ranking()
        return await answer_last(
            await self.build_last_prompt(prompt, rng.sample(pool, len(pool)), run), population, run
        )

    async def build_prompts(
        self, prompt: Prompt, pool: Sequence[Outcome], width: int, rng: random.Random, run: Run
    ) -> list[Prompt]:
        """Return the prompts of a round that reads `pool`. `pdr` reads it once, and draws from one prompt."""
        if self.method == "pdr":
            return [await build_notes_prompt(prompt, pool, self.notes_tokens, run)] * width
        size = min(self.k, len(pool)) if self.method == "rsa" else len(pool)
        return [build_aggregation_prompt(prompt, rng.sample(pool, size)) for _ in range(width)]

    async def build_last_prompt(self, prompt: Prompt, pool: Sequence[Outcome], run: Run) -> Prompt:
        """Return the prompt of the last answer, which reads `pool`."""
        match self.method:
            case "pdr":
                return await build_notes_prompt(prompt, pool, self.notes_tokens, run)
            case "fusion":
                return await build_fusion_prompt(prompt, pool, run, calls=self.calls, max_tokens=self.notes_tokens)
        return build_aggregation_prompt(prompt, pool)


def is_stable(leaders: list[str]) -> bool:
    """Return whether the majority was unchanged for MAX_UNCHANGED_LOOPS loops."""
    return len(leaders) > MAX_UNCHANGED_LOOPS and len(set(leaders[-MAX_UNCHANGED_LOOPS - 1 :])) == 1
