"""A population of candidates: how far it agrees, and how new candidates are made from old ones."""

from collections import Counter
from collections.abc import Sequence

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompts import AGGREGATE, REFINE
from cogitate.strategies.core.quoting import quoted, reply
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Outcome, Prompt
from cogitate.strategies.voting.ballot import Ballot, wholeness

CONSENSUS = 0.95
"""The share that ends a synthesis: nothing is left to be put together."""


async def sampled(prompt: Prompt, n: int, run: Run) -> list[Outcome]:
    """n candidates as they finish; the best so far is proposed with each."""
    ballot = Ballot()
    async with run.race(prompt, n) as arrivals:
        async for completion in arrivals:
            ballot.cast(Outcome(completion, await run.read(completion)))
            run.propose(ballot.winner())
    return ballot.votes


async def synthesised(prompt: Prompt, groups: Sequence[Sequence[Outcome]], run: Run) -> list[Outcome]:
    """One candidate from each group; none at all where every one was lost."""
    try:
        made = await run.each([aggregated(prompt, group) for group in groups])
    except SampleFailed:
        return []
    return [Outcome(completion, await run.read(completion)) for completion in made if completion]


async def concluded(prompt: Prompt, shown: Sequence[Outcome], population: Sequence[Outcome], run: Run) -> Outcome:
    """One last answer, from those shown. It is seen as it is written where no deadline can put another in its place."""
    run.propose(Ballot.of(population).ranking())
    made = await run.generate(aggregated(prompt, shown), visible=not run.budget.may_end)
    return first_of(Outcome(made, await run.read(made)), population)


def aggregated(prompt: Prompt, candidates: Sequence[Outcome]) -> Prompt:
    """The question as it was asked, and behind it what others answered."""
    words = (AGGREGATE if len(candidates) > 1 else REFINE).format(candidates=quoted(candidates))
    return prompt.say(words) if isinstance(prompt.raw, tuple) else prompt.instruct(words)


def identity(outcome: Outcome) -> str:
    """What two candidates must share to be the same: their answer, or, where there is none to read, their text.

    Who says nothing, cut off in its thought, is like nobody.
    """
    if outcome.answer:
        return f"answer {outcome.answer.key}"
    said = reply(outcome.completion)
    return f"text {said}" if said else f"nothing {outcome.completion.index}"


def share(population: Sequence[Outcome]) -> float:
    """Of the largest class of candidates that are the same."""
    return max(Counter(map(identity, population)).values()) / len(population)


def whole(population: Sequence[Outcome]) -> list[Outcome]:
    """Those that are worth reading: with an answer or an end, else those that say anything; none where none does."""
    said = [outcome for outcome in population if wholeness(outcome)]
    return [outcome for outcome in said if wholeness(outcome) > 1] or said


def first_of(chosen: Outcome, population: Sequence[Outcome]) -> Outcome:
    """The chosen one with the population's agreement with it, and the rest of the population behind it."""
    ranking = Ballot.of(population).ranking()
    others = (o for o in (ranking, *ranking.others) if o.completion.index != chosen.completion.index)
    agreement = sum(identity(o) == identity(chosen) for o in population) / len(population)
    return Outcome(chosen.completion, chosen.answer, chosen.score, agreement, tuple(others))
