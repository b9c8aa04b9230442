"""Fusion: a judge reads the candidates against each other, and the answer is written from them and from its reading.

As in the panels with a judge of OpenRouter's fusion router and vLLM's semantic router, here over the candidates of one
search. The reading has three lists: consensus, contradictions, gaps. Candidates are weighed by how many agree, and none
is dropped: the semantic router found that dropping the least consistent one hurts on contested facts. Deviation: where
the reading is lost or empty the answer is written from the candidates alone.
"""

from collections.abc import Sequence

from cogitate.strategies.core.ports import SampleFailed
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.prompts import FUSE, FUSE_AT_ONCE, READ_AGAINST_EACH_OTHER
from cogitate.strategies.core.quoting import final_text, quote_candidates, quote_notes
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Completion, Outcome
from cogitate.strategies.search.population import append_material, build_aggregation_prompt, describe_agreement


async def build_fusion_prompt(
    prompt: Prompt, candidates: Sequence[Outcome], run: Run, *, calls: int, max_tokens: int
) -> Prompt:
    """Build the prompt of the last call. With two `calls` the reading, of at most `max_tokens`, is a call of its own.

    With one call the reading begins the answer's text, in tags of a thought. Where a grammar or tools leave no room
    for it, the answer is written without.
    """
    quotes = quote_candidates(candidates)
    if calls == 1:
        if run.request.sampling.constrained:
            return build_aggregation_prompt(prompt, candidates)
        text = FUSE_AT_ONCE.format(candidates=quotes, agreement=describe_agreement(candidates))
        return append_material(prompt, text, candidates[0].completion)
    reading = await read_against_each_other(prompt, candidates, max_tokens, run)
    notes = final_text(reading) if reading else ""
    if not reading or not notes:
        return build_aggregation_prompt(prompt, candidates)
    return append_material(prompt, FUSE.format(candidates=quotes, notes=quote_notes(notes)), reading)


async def read_against_each_other(
    prompt: Prompt, candidates: Sequence[Outcome], max_tokens: int, run: Run
) -> Completion | None:
    """Return the judge's reading; None where it was lost."""
    text = READ_AGAINST_EACH_OTHER.format(
        candidates=quote_candidates(candidates), agreement=describe_agreement(candidates)
    )
    try:
        source = candidates[0].completion
        return await run.generate(append_material(prompt, text, source), role="verifier", max_tokens=max_tokens)
    except SampleFailed:
        return None
