"""Selection: the model reads its own candidates and picks one; for answers that no vote can count, as prose and code.

universal: all in one call (universal self-consistency, Chen et al., 2023, arXiv:2311.17311). genselect: windows of
eight, the winners again, until one is left (arXiv:2507.17797). knockout: pairs, each in both orders; who wins both goes
on, else the one with more votes (Chen et al., 2024, arXiv:2411.19477). The last two compare one candidate per answer.
No call is made where all agree. Only what the judge itself writes is parsed, its last verdict; without a valid one the
most typical candidate is taken, never the first.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from cogitate.strategies.core.offload import offload
from cogitate.strategies.core.options import Options
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompts import COMPARE, GRADER
from cogitate.strategies.core.quoting import final_text, quote_candidates
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.similarity import jaccard
from cogitate.strategies.core.types import Completion, Message, Outcome, Prompt
from cogitate.strategies.search.population import (
    complete_candidates,
    identity_key,
    largest_share,
    rank_first,
    sample_candidates,
)
from cogitate.strategies.voting.ballot import Ballot

WINDOW = 8
"""GenSelect's."""
VERDICT_TOKENS = 1024
NOBODY = -1
"""What an order picks whose verdict is lost, or names none of it."""
VERDICT = re.compile(r"(?:Response|Judge?ment:)\s*(\d{1,3})\b")


class Selection(Options):
    """Sample n answers and let the model choose among them; for free-form answers and code."""

    paper: ClassVar[str] = "arXiv:2311.17311"
    version: ClassVar[int] = 2

    name: Literal["selection"] = "selection"
    n: int = Field(default=8, ge=1, le=64, description="Candidates")
    method: Literal["universal", "genselect", "knockout"] = Field(
        default="universal", description="One call over all; windows of 8; or pairs, each in both orders"
    )

    @property
    def candidates(self) -> int:
        return self.n

    def cost(self, max_tokens: int) -> int:
        calls = {"universal": 1, "genselect": self.n - 1, "knockout": 2 * (self.n - 1)}[self.method]
        return self.n * max_tokens + calls * min(max_tokens, VERDICT_TOKENS)

    async def solve(self, prompt: Prompt, run: Run) -> Outcome:
        population = await sample_candidates(prompt, self.n, run)
        readable = complete_candidates(population)
        if not readable or largest_share(readable) == 1:
            return Ballot.of(population).ranking()
        chance = random.Random(run.request.sampling.seed)  # noqa: S311 the order in which they are shown is no secret
        shown = readable if self.method == "universal" else distinct(readable)
        shown = chance.sample(shown, len(shown))
        while len(shown) > 1:
            size = {"universal": len(shown), "genselect": WINDOW, "knockout": 2}[self.method]
            groups = [shown[at : at + size] for at in range(0, len(shown), size)]
            shown = await self.winners(prompt, groups, readable, run)
        return rank_first(shown[0], population)

    async def winners(
        self, prompt: Prompt, groups: list[list[Outcome]], population: list[Outcome], run: Run
    ) -> list[Outcome]:
        """One of each group. Who is alone goes on without a call."""
        contested = [group for group in groups if len(group) > 1]
        orders = list(contested)
        if self.method == "knockout":
            orders += [group[::-1] for group in contested]
        picks = await judged(prompt, orders, run)
        chosen: dict[int, set[int]] = {}
        for at, (order, pick) in enumerate(zip(orders, picks, strict=True)):
            named = order[pick].completion.index if pick is not None and pick < len(order) else NOBODY
            chosen.setdefault(at % len(contested), set()).add(named)
        byes = [group[0] for group in groups if len(group) == 1]
        size = sum(len(candidate.completion.text) for candidate in population)
        elections = [partial(elect, chosen[at], group, population) for at, group in enumerate(contested)]
        return [await offload(election, size) for election in elections] + byes


async def judged(prompt: Prompt, orders: Sequence[Sequence[Outcome]], run: Run) -> list[int | None]:
    """The number that the judge gives for each order; None where it gives none or is lost."""
    prompts = [compared(prompt, order) for order in orders]
    try:
        said = await run.generate_each(prompts, role="verifier", max_tokens=VERDICT_TOKENS, greedy=True)
    except SampleFailed:
        return [None] * len(prompts)
    return [verdict(made) if made else None for made in said]


def compared(prompt: Prompt, candidates: Sequence[Outcome]) -> Prompt:
    words = COMPARE.format(question=prompt.question.strip(), candidates=quote_candidates(candidates))
    return Prompt((Message("system", GRADER), Message("user", words)))


def verdict(made: Completion) -> int | None:
    """The last one that the judge writes, when it has done thinking; none of one that was cut off before its end."""
    found = VERDICT.findall(final_text(made)) if made.is_complete else []
    return int(found[-1]) if found else None


def distinct(population: Sequence[Outcome]) -> list[Outcome]:
    """One candidate for each answer: its bloc's representative; and every text that has none."""
    ballot = Ballot.of(population)
    alone = {identity_key(candidate): candidate for candidate in ballot.abstentions}
    return [bloc.representative for bloc in ballot.rank_blocs()] + list(alone.values())


def elect(picks: set[int], group: Sequence[Outcome], population: Sequence[Outcome]) -> Outcome:
    """The one that every order picks, else the most typical of the group."""
    agreed = [outcome for outcome in group if picks == {outcome.completion.index}]
    return medoid(agreed or group, population)


def medoid(group: Sequence[Outcome], population: Sequence[Outcome]) -> Outcome:
    """The most typical: most give its answer, then its words are most like the others', then the earliest."""
    given = Counter(map(identity_key, population))
    words = {o.completion.index: frozenset(final_text(o.completion).split()) for o in (*population, *group)}

    def typical(candidate: Outcome) -> tuple[int, float, int]:
        own = words[candidate.completion.index]
        likeness = sum(jaccard(own, words[o.completion.index]) for o in population)
        return given[identity_key(candidate)], likeness, -candidate.completion.index

    return max(group, key=typical)
