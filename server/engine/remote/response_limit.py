"""How long an answer may be: what was asked for bounds what is read of it, however much an upstream sends."""

from cogitate.server.engine.remote.request_body import VERDICT_ALTERNATIVES
from cogitate.server.protocol.chat import AnyRequest, CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies.core.types import Sampling

MOST_BYTES = 32 * 1024 * 1024
"""Of any answer."""
BASE = 512 * 1024
TOKEN = 1024
"""Of a token: its chunk of a stream, with ids, names and running usage."""
ALTERNATIVE = 256
"""Of a log-probability, the token's own or another's, as text and as bytes."""
PROMPT_TOKEN = 8
"""Of a prompt's token, where ids are told: raw prompts' with each answer."""
TELLINGS = 5
"""A response's events tell a text as it grows, and then as what is done, as a part, as an item, and in the whole."""


def allowed(tokens: int | None, alternatives: int | None, longest: int | None, answers: int = 1) -> int:
    """Bytes of `answers` of so many tokens in all, of a model with a context of `longest`; None: not known."""
    tokens = longest if tokens is None else tokens
    if tokens is None:
        return MOST_BYTES
    each = TOKEN + (0 if alternatives is None else ALTERNATIVE * (1 + alternatives))
    return min(MOST_BYTES, BASE + PROMPT_TOKEN * (longest or tokens) * answers + tokens * each)


def of_samples(sampling: Sampling, n: int, longest: int | None) -> int:
    tokens = None if sampling.max_tokens is None else sampling.max_tokens * n
    return allowed(tokens, VERDICT_ALTERNATIVES if sampling.labels else sampling.logprobs, longest, n)


def of_plain(request: AnyRequest | ResponsesRequest, longest: int | None) -> int:
    if isinstance(request, ResponsesRequest):
        return min(MOST_BYTES, TELLINGS * allowed(request.max_output_tokens, request.top_logprobs, longest))
    if isinstance(request, CompletionRequest) and request.echo:
        return MOST_BYTES
    count = (request.n or 1) * request.width
    limit = request.limit if request.limit is not None else longest
    return allowed(None if limit is None else limit * count, request.alternatives, longest, count)
