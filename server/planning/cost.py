"""Upper bounds of a request: tokens of an answer, tokens in all, and generations at once."""

from cogitate.server.errors import BadRequest
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest, CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.strategies import AnyStrategy

DEFAULT_MAX_TOKENS = 2048
"""Tokens of each candidate where a chat sets no limit: the value of the reference recipes (search-and-learn)."""
DEFAULT_RAW_MAX_TOKENS = 16
"""OpenAI's default for a raw completion."""


def max_answer_tokens(request: AnyRequest) -> int:
    """Limit of one answer under a strategy, in tokens."""
    return request.limit or (DEFAULT_MAX_TOKENS if isinstance(request, ChatRequest) else DEFAULT_RAW_MAX_TOKENS)


def max_in_flight(request: AnyRequest | ResponsesRequest, strategy: AnyStrategy | None) -> int:
    """Maximum number of generations that the request has in flight at once."""
    return strategy.in_flight if strategy else (request.n or 1) * request.width


def cap_max_tokens(request: AnyRequest, context: int, max_cost: int) -> AnyRequest:
    """Set `max_tokens` of a plain chat without a limit to what it may cost.

    Without a limit the engine's own applies, the model's context. It stays where `max_cost` allows it.
    """
    each = max_cost // (request.n or 1)
    if isinstance(request, CompletionRequest) or request.limit or each >= context or not each:
        return request
    return request.model_copy(update={"max_tokens": each})


def compute_cost(request: AnyRequest, strategy: AnyStrategy | None, context: int, max_cost: int) -> int:
    """Maximum number of tokens that the request may decode: candidates x rounds x tokens, verifiers included.

    The request's own token budget caps it. `context`: tokens of the model's context.
    Raises BadRequest above `max_cost`.
    """
    if strategy:
        cost = strategy.cost(max_answer_tokens(request))
    else:
        limit = request.limit or (context if isinstance(request, ChatRequest) else DEFAULT_RAW_MAX_TOKENS)
        cost = min(limit, context) * (request.n or 1) * request.width
    if request.budget and request.budget.tokens:
        cost = min(cost, request.budget.tokens)
    if cost > max_cost:
        raise BadRequest(
            f"This request may decode up to {cost} tokens, and the limit is {max_cost}: lower n, max_tokens or "
            "budget.tokens.",
            param="strategy" if strategy else "max_tokens",
            code="cost_exceeded",
        )
    return cost
