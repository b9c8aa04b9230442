"""Limits the bytes of a response by the tokens that were requested, whatever the upstream sends."""

from cogitate.server.engine.remote.request_body import LABEL_ALTERNATIVES
from cogitate.server.protocol.completion import AnyRequest, CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.types import Sampling

MAX_RESPONSE_BYTES = 32 * 1024 * 1024
"""Limit of any response."""
BASE_BYTES = 512 * 1024
"""Allowed independent of tokens."""
BYTES_PER_TOKEN = 1024
"""One chunk of a stream, with ids, names and running usage."""
BYTES_PER_LOGPROB = 256
"""One log-probability, of the token or of an alternative, as text and as bytes."""
BYTES_PER_PROMPT_TOKEN = 8
"""One id of the prompt, where ids are returned: raw prompts return them with each choice."""
RESPONSES_API_REPETITIONS = 5
"""The Responses API streams a text as deltas, then repeats it as text, part, item and response."""


def max_bytes(tokens: int | None, alternatives: int | None, context: int | None, choices: int = 1) -> int:
    """The largest plausible response, in bytes.

    Args:
        tokens: Of all choices together; None: as many as fit the context.
        alternatives: Log-probabilities for each token beside its own; None: no log-probabilities.
        context: The model's context length in tokens; None: not known.
        choices: Number of choices.
    """
    tokens = context if tokens is None else tokens
    if tokens is None:
        return MAX_RESPONSE_BYTES
    each = BYTES_PER_TOKEN + (0 if alternatives is None else BYTES_PER_LOGPROB * (1 + alternatives))
    prompt = BYTES_PER_PROMPT_TOKEN * (context or tokens) * choices
    return min(MAX_RESPONSE_BYTES, BASE_BYTES + prompt + tokens * each)


def max_sample_bytes(sampling: Sampling, n: int, context: int | None) -> int:
    """`max_bytes` of a call for `n` samples."""
    tokens = None if sampling.max_tokens is None else sampling.max_tokens * n
    return max_bytes(tokens, LABEL_ALTERNATIVES if sampling.labels else sampling.logprobs, context, n)


def max_forwarded_bytes(request: AnyRequest | ResponsesRequest, context: int | None) -> int:
    """`max_bytes` of a response that is passed through."""
    if isinstance(request, ResponsesRequest):
        once = max_bytes(request.max_output_tokens, request.top_logprobs, context)
        return min(MAX_RESPONSE_BYTES, RESPONSES_API_REPETITIONS * once)
    if isinstance(request, CompletionRequest) and request.echo:
        return MAX_RESPONSE_BYTES
    choices = (request.n or 1) * request.width
    limit = request.limit if request.limit is not None else context
    return max_bytes(None if limit is None else limit * choices, request.alternatives, context, choices)
