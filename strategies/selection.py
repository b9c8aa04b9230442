"""Selection: the model reads its own candidates and picks one; for answers that no vote can count, as prose and code.

universal: all in one call (universal self-consistency, Chen et al., 2023, arXiv:2311.17311). genselect: windows of
eight, then the winners again, until one is left (arXiv:2507.17797). knockout: pairs, each in both orders; the one that
wins both goes on, else the one with more votes (Chen et al., 2024, arXiv:2411.19477). The last two compare one
candidate per answer. No call is made where all agree. Only the judge's own final text is parsed, for its last verdict;
without a valid one the most typical candidate is taken, never the first.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.judge_verdict import parse_pick
from cogitate.strategies.core.models import ModelName, ModelsOptions
from cogitate.strategies.core.offload import offload
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Message, Prompt
from cogitate.strategies.core.prompts import COMPARE, GRADER
from cogitate.strategies.core.quoting import final_text, quote_candidates
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.similarity import jaccard
from cogitate.strategies.core.types import Completion, Outcome
from cogitate.strategies.search.population import (
    complete_candidates,
    identity_key,
    largest_share,
    rank_first,
    sample_candidates,
)
from cogitate.strategies.voting.ballot import Ballot

WINDOW = 8
"""Candidates of one genselect call, as in its paper."""
MAX_VERDICT_TOKENS = 1024
NO_PICK = -1
"""The pick of an order whose verdict was lost, or names no candidate of it."""


class Selection(ModelsOptions):
    """Sample n answers and let the model choose among them; for free-form answers and code."""

    paper: ClassVar[str] = "arXiv:2311.17311"
    when: ClassVar[str] = "prose and code, which no vote can count"
    when_not: ClassVar[str] = (
        "short answers, which a vote counts at no cost; a weak model, which chooses no better than chance"
    )
    cost_note: ClassVar[str] = "n answers, 1 to 2n verdicts of at most 1024 tokens"
    version: ClassVar[int] = 3
    draws_samples: ClassVar[bool] = True

    name: Literal["selection"] = "selection"
    n: int = Field(default=8, ge=1, le=64, description="Number of candidates.")
    method: Literal["universal", "genselect", "knockout"] = Field(
        default="universal",
        description="`universal`: one call over all; `genselect`: windows of 8; `knockout`: pairs, in both orders.",
    )

    verifier_model: ModelName | None = Field(
        default=None, description="The model that chooses. null: the request's own."
    )

    @property
    def other_models(self) -> Mapping[str, tuple[str, ...]]:
        return {**super().other_models, "verifier_model": (self.verifier_model,) if self.verifier_model else ()}

    @property
    def candidates(self) -> int:
        return self.n

    def cost(self, max_tokens: int) -> int:
        calls = {"universal": 1, "genselect": self.n - 1, "knockout": 2 * (self.n - 1)}[self.method]
        return self.n * max_tokens + calls * min(max_tokens, MAX_VERDICT_TOKENS)

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        population = await sample_candidates(self.assign(prompt)[0], run)
        readable = complete_candidates(population)
        if not readable or largest_share(readable) == 1:
            return Ballot.of(population).ranking()
        rng = random.Random(run.request.sampling.seed)  # noqa: S311 the order in which they are shown is no secret
        entrants = readable if self.method == "universal" else select_distinct(readable)
        entrants = rng.sample(entrants, len(entrants))
        while len(entrants) > 1:
            size = {"universal": len(entrants), "genselect": WINDOW, "knockout": 2}[self.method]
            groups = [entrants[at : at + size] for at in range(0, len(entrants), size)]
            entrants = await self.select_winners(prompt, groups, readable, run)
        return rank_first(entrants[0], population, "judged")

    async def select_winners(
        self, prompt: Prompt, groups: list[list[Outcome]], population: list[Outcome], run: Run
    ) -> list[Outcome]:
        """Return one candidate of each group. A group of one needs no call."""
        contested = [group for group in groups if len(group) > 1]
        orders = list(contested)
        if self.method == "knockout":
            orders += [group[::-1] for group in contested]
        picks = await ask_judge(prompt, orders, run)
        picked: dict[int, set[int]] = {}
        for at, (order, pick) in enumerate(zip(orders, picks, strict=True)):
            index = order[pick].completion.index if pick is not None and pick < len(order) else NO_PICK
            picked.setdefault(at % len(contested), set()).add(index)
        byes = [group[0] for group in groups if len(group) == 1]
        size = sum(len(candidate.completion.text) for candidate in population)
        elections = [partial(elect, picked[at], group, population) for at, group in enumerate(contested)]
        return [await offload(election, size) for election in elections] + byes


async def ask_judge(prompt: Prompt, orders: Sequence[Sequence[Outcome]], run: Run) -> list[int | None]:
    """Return the position that the judge picks in each order; None where it picks none or the call is lost."""
    judge = run.request.verifier_model
    prompts = [build_comparison_prompt(prompt, order).to_model(judge) for order in orders]
    try:
        verdicts = await run.generate_each(prompts, role="verifier", max_tokens=MAX_VERDICT_TOKENS, greedy=True)
    except SampleFailed:
        return [None] * len(prompts)
    return [parse_verdict(verdict) if verdict else None for verdict in verdicts]


def build_comparison_prompt(prompt: Prompt, candidates: Sequence[Outcome]) -> Prompt:
    text = COMPARE.format(question=prompt.question.strip(), candidates=quote_candidates(candidates))
    return Prompt((Message("system", GRADER), Message("user", text)))


def parse_verdict(verdict: Completion) -> int | None:
    """Return the last verdict that the judge announces after its thinking; None where it was cut off before its end."""
    return parse_pick(final_text(verdict)) if verdict.is_complete else None


def select_distinct(population: Sequence[Outcome]) -> list[Outcome]:
    """Return one candidate for each answer, its bloc's representative, and each distinct text without an answer."""
    ballot = Ballot.of(population)
    texts = {identity_key(candidate): candidate for candidate in ballot.abstentions}
    return [bloc.representative for bloc in ballot.rank_blocs()] + list(texts.values())


def elect(picks: set[int], group: Sequence[Outcome], population: Sequence[Outcome]) -> Outcome:
    """Return the candidate that every order picks, else the most typical of the group."""
    unanimous = [outcome for outcome in group if picks == {outcome.completion.index}]
    return select_medoid(unanimous or group, population)


def select_medoid(group: Sequence[Outcome], population: Sequence[Outcome]) -> Outcome:
    """Return the most typical candidate: by the votes for its answer, then word overlap, then the earliest."""
    votes = Counter(map(identity_key, population))
    words = {o.completion.index: frozenset(final_text(o.completion).split()) for o in (*population, *group)}

    def typicality(candidate: Outcome) -> tuple[int, float, int]:
        own = words[candidate.completion.index]
        overlap = sum(jaccard(own, words[o.completion.index]) for o in population)
        return votes[identity_key(candidate)], overlap, -candidate.completion.index

    return max(group, key=typicality)
