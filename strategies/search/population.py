"""Populations of candidates: agreement within a population, and generation of new candidates from it."""

from collections import Counter
from collections.abc import Sequence

from cogitate.strategies.core.election import Election, Rule
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.prompts import AGGREGATE, REFINE
from cogitate.strategies.core.quoting import final_text, quote_candidates
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Completion, Outcome
from cogitate.strategies.voting.ballot import Ballot, completeness

CONSENSUS_SHARE = 0.95
"""Agreement at which a synthesis ends: nothing is left to combine."""


async def sample_candidates(prompts: Sequence[Prompt], run: Run) -> list[Outcome]:
    """Sample a candidate of each prompt, and propose the best one so far whenever one arrives."""
    ballot = Ballot()
    async with run.race(prompts, len(prompts)) as arrivals:
        async for completion in arrivals:
            ballot.cast(Outcome(completion, await run.read(completion, weight=1.0)))
            run.propose(ballot.winner())
    return ballot.votes


async def synthesise_groups(prompt: Prompt, groups: Sequence[Sequence[Outcome]], run: Run) -> list[Outcome]:
    """Generate one candidate from each group. Failed decodes are left out."""
    return await synthesise_prompts([build_aggregation_prompt(prompt, group) for group in groups], run)


async def synthesise_prompts(prompts: Sequence[Prompt], run: Run) -> list[Outcome]:
    """Generate one candidate for each prompt. Failed decodes are left out."""
    try:
        completions = await run.generate_each(prompts)
    except SampleFailed:
        return []
    return [Outcome(completion, await run.read(completion, weight=1.0)) for completion in completions if completion]


async def write_final_answer(
    prompt: Prompt, candidates: Sequence[Outcome], population: Sequence[Outcome], run: Run
) -> Outcome:
    """Generate the final answer from `candidates`; returns it with the population as its ranked alternatives."""
    return await answer_last(build_aggregation_prompt(prompt, candidates), population, run)


async def answer_last(prompt: Prompt, population: Sequence[Outcome], run: Run) -> Outcome:
    """Generate the final answer to a prompt; returns it with the population as its ranked alternatives.

    The text is streamed to the client only where no deadline can replace it.
    """
    run.propose(Ballot.of(population).ranking())
    completion = await run.generate(prompt, visible=not run.budget.has_deadline)
    return rank_first(Outcome(completion, await run.read(completion, weight=1.0)), population, "written")


def build_aggregation_prompt(prompt: Prompt, candidates: Sequence[Outcome]) -> Prompt:
    """Build a prompt of the question, the candidates and the instruction to combine them or to refine a single one."""
    instruction = (AGGREGATE if len(candidates) > 1 else REFINE).format(candidates=quote_candidates(candidates))
    return append_material(prompt, instruction, candidates[0].completion)


def append_material(prompt: Prompt, text: str, source: Completion) -> Prompt:
    """Append candidates or notes to the question; to the assistant's turn where the prompt is token ids.

    `source`: what they were decoded as, the first of several.
    """
    extended = prompt.prefill(text) if isinstance(prompt.raw, tuple) else prompt.instruct(text)
    return extended.with_parent(source.index)


def describe_agreement(candidates: Sequence[Outcome]) -> str:
    """Tell by numbers alone which candidates give the same answer; empty where no two do.

    Rivals are weighed by it, and none is left out: the least consistent answer may be the right one.
    """
    numbers: dict[str, list[int]] = {}
    for number, candidate in enumerate(candidates):
        numbers.setdefault(identity_key(candidate), []).append(number)
    classes = [", ".join(map(str, members)) for members in numbers.values()]
    return f"Candidates with the same answer: {'; '.join(classes)}." if len(classes) < len(candidates) else ""


def identity_key(outcome: Outcome) -> str:
    """Return a key that equal candidates share: the answer's key, or the text where no answer can be read.

    A candidate without text equals no other.
    """
    if outcome.answer:
        return f"answer {outcome.answer.class_key}"
    text = final_text(outcome.completion)
    return f"text {text}" if text else f"nothing {outcome.completion.index}"


def largest_share(population: Sequence[Outcome]) -> float:
    """Return the share of the largest class of equal candidates."""
    return max(Counter(map(identity_key, population)).values()) / len(population)


def complete_candidates(population: Sequence[Outcome]) -> list[Outcome]:
    """Return the candidates with an answer or a complete text; where there is none, those with any text."""
    with_text = [outcome for outcome in population if completeness(outcome)]
    return [outcome for outcome in with_text if completeness(outcome) > 1] or with_text


def rank_first(chosen: Outcome, population: Sequence[Outcome], rule: Rule) -> Outcome:
    """Return `chosen` with the share of the population that agrees with it, and the rest as its alternatives.

    `rule`: how it was chosen.
    """
    ranking = Ballot.of(population).ranking()
    alternatives = (o for o in (ranking, *ranking.alternatives) if o.completion.index != chosen.completion.index)
    agreement = sum(identity_key(o) == identity_key(chosen) for o in population) / len(population)
    election = Election(rule, population)
    return Outcome(chosen.completion, chosen.answer, chosen.score, agreement, tuple(alternatives), election)
