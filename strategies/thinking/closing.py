"""Closing a thought before its end, for somebody who asks for the answer now."""

from cogitate.strategies.core.budget import smallest_limit
from cogitate.strategies.core.prompt import Prompt
from cogitate.strategies.core.prompts import FINAL_ANSWER, NO_THOUGHT, asks_for_prose
from cogitate.strategies.core.run import Run
from cogitate.strategies.core.types import Completion, Outcome
from cogitate.strategies.thinking.tags import OPEN_TAG
from cogitate.strategies.thinking.thought import Thought

MAX_SHORT_TOKENS, MAX_PROSE_TOKENS = 64, 256
"""Limits of what is decoded after the thought: an answer that is a value, and any other."""
MAX_CLOSING_TOKENS = 1 + MAX_PROSE_TOKENS
"""Of all that closing decodes: the first is the probe for tags."""


async def close_thought(run: Run, prompt: Prompt, unfinished: Completion | None) -> Outcome | None:
    """Answer the prompt in a few tokens, from an unfinished decode of it where there is one.

    Returns None where the decode is already prose of the answer itself, which nothing can be inserted into, or where
    no token is left. Raises SampleFailed and BudgetExhausted.
    """
    thought = Thought(prompt, run, visible=False)
    is_short = run.request.reader.format != "text" and not asks_for_prose(prompt.question)
    label = FINAL_ANSWER if is_short else ""
    if unfinished is None:
        await thought.skip_thinking(OPEN_TAG, NO_THOUGHT, label)
    else:
        thought.resume(unfinished)
        await thought.probe_tags()
        if not (thought.uses_tags or is_short):
            return None
        thought.conclude(label)
    left = smallest_limit(thought.remaining_tokens, MAX_SHORT_TOKENS if is_short else MAX_PROSE_TOKENS)
    if not left or left < 0:
        return None
    await thought.decode(left)
    return await thought.build_outcome()
