"""Distillation: answers become notes of bounded length, from which the next answers start.

The workspace of Parallel-Distill-Refine (Madaan et al., 2025, arXiv:2510.01123), so that a prompt grows neither with
the number of answers nor with their length. The notes are a summary by the model, one of the paper's operators.

Deviations: answers that do not fit into one prompt are distilled in groups, each with its share of the notes, and one
that does not fit by itself is read by its end. Where the notes of a group are lost or empty, the ends of its answers
are the notes (the paper's extractive operator).
"""

from collections.abc import Sequence

from cogitate.strategies.core.budget import smallest_limit
from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.prompts import DISTIL, FROM_NOTES
from cogitate.strategies.core.quoting import MAX_QUOTED_CHARACTERS, final_text, quote_notes, quote_texts
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Completion, Outcome
from cogitate.strategies.search.population import append_material, describe_agreement

INSTRUCTION_TOKENS = 256
"""Room for DISTIL, and for the marks of the quotations."""
MAX_NOTES_SHARE = 0.25
"""Of the context that the question leaves: the rest is for the answer. Ours, untuned."""
FILLED_SHARE = 0.75
"""Of the room in a prompt that is filled, since its characters are converted to tokens by the answers' mean."""
WORDS_PER_TOKEN = 0.6


async def build_notes_prompt(prompt: Prompt, candidates: Sequence[Outcome], max_tokens: int, run: Run) -> Prompt:
    """Build the prompt of the next answers: the question, and notes of at most `max_tokens` on the candidates."""
    notes, source = await distil(prompt, candidates, max_tokens, run)
    return append_material(prompt, FROM_NOTES.format(notes=quote_notes(notes)), source)


async def distil(prompt: Prompt, candidates: Sequence[Outcome], max_tokens: int, run: Run) -> tuple[str, Completion]:
    """Return notes of at most `max_tokens` in all on the candidates, and what was first decoded of them."""
    room = measure_room(candidates, run.request.context)
    tokens = max_tokens if room is None else max(1, min(max_tokens, int(room * MAX_NOTES_SHARE)))
    density = measure_density(candidates)
    characters = MAX_QUOTED_CHARACTERS
    if room is not None:
        characters = min(characters, int((room - tokens - INSTRUCTION_TOKENS) * FILLED_SHARE * density))
    groups = split(candidates, characters)
    share = max(1, tokens // len(groups))
    limit = smallest_limit(share, run.request.sampling.max_tokens) or share
    prompts = [build_distillation_prompt(prompt, group, characters, limit) for group in groups]
    try:
        written = await run.generate_each(prompts, role="verifier", max_tokens=share)
    except SampleFailed:
        written = [None] * len(groups)
    notes = [final_text(completion) if completion else "" for completion in written]
    excerpt = int(share * density)
    source = next((completion for completion in written if completion), candidates[0].completion)
    return "\n\n".join(note or extract(group, excerpt) for note, group in zip(notes, groups, strict=True)), source


def measure_room(candidates: Sequence[Outcome], context: int | None) -> int | None:
    """Return the tokens of the context that the longest prompt of the candidates leaves; None: unknown."""
    return None if context is None else context - max(each.completion.prompt_tokens for each in candidates)


def measure_density(candidates: Sequence[Outcome]) -> float:
    """Return the candidates' characters per token."""
    tokens = sum(each.completion.completion_tokens for each in candidates)
    return sum(len(each.completion.text) for each in candidates) / max(1, tokens)


def split(candidates: Sequence[Outcome], characters: int) -> list[Sequence[Outcome]]:
    """Split candidates into groups whose texts have at most so many characters together; or, alone, more."""
    longest = max(len(final_text(each.completion)) for each in candidates)
    size = max(1, characters // max(1, longest))
    return [candidates[at : at + size] for at in range(0, len(candidates), size)]


def build_distillation_prompt(prompt: Prompt, group: Sequence[Outcome], characters: int, max_tokens: int) -> Prompt:
    quotes = quote_texts([final_text(each.completion) for each in group], max(1, characters))
    words = max(1, int(max_tokens * WORDS_PER_TOKEN))
    text = DISTIL.format(words=words, candidates=quotes, agreement=describe_agreement(group))
    return append_material(prompt, text, group[0].completion)


def extract(group: Sequence[Outcome], characters: int) -> str:
    """Return the ends of the candidates' texts, of at most so many characters together."""
    share = max(1, characters // len(group))
    return "\n\n".join(final_text(each.completion)[-share:] for each in group)
