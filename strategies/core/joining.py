"""Steps of one solution as one completion."""

from collections.abc import Sequence
from dataclasses import replace

from cogitate.strategies.core.logprobs import concatenate, pack
from cogitate.strategies.core.types import Completion


def join_steps(steps: Sequence[Completion]) -> Completion:
    """Return consecutive steps as one completion."""
    if len(steps) == 1:
        return steps[0]
    return replace(
        steps[-1],
        prompt=steps[0].prompt,
        text="".join(step.text for step in steps),
        token_ids=tuple(token for step in steps for token in step.token_ids),
        logprobs=concatenate(pack(step.logprobs) for step in steps),
        prompt_tokens=steps[0].prompt_tokens,
        completion_tokens=sum(step.completion_tokens for step in steps),
        cached_tokens=steps[0].cached_tokens,
        content=None,
        tokens_known=all(step.tokens_known for step in steps),
        warnings=tuple(dict.fromkeys(warning for step in steps for warning in step.warnings)),
        native=None,
    )
