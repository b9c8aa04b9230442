"""Computes the maximum cost of a request, in tokens."""

from cogitate.server.errors import BadRequest
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest
from cogitate.strategies import AnyStrategy

DEFAULT_MAX_TOKENS = 2048
"""Tokens of each candidate where a chat sets no limit: the value of the reference recipes (search-and-learn)."""
DEFAULT_RAW_MAX_TOKENS = 16
"""OpenAI's default for a raw completion."""


def max_answer_tokens(request: AnyRequest) -> int:
    """Return the limit of one candidate, in tokens."""
    return request.limit or (DEFAULT_MAX_TOKENS if isinstance(request, ChatRequest) else DEFAULT_RAW_MAX_TOKENS)


def compute_cost(request: AnyRequest, strategy: AnyStrategy, max_cost: int) -> int:
    """Compute how many tokens the strategy may decode: candidates x rounds x tokens, verifiers included.

    The request's own token budget caps it. Raises BadRequest above `max_cost`, unless the client had to set the limit
    of an answer: then `max_cost` is the budget. What it can use to be faster is added as far as the limits leave it.
    """
    limit = max_answer_tokens(request)
    cost, spare = strategy.cost(limit), strategy.spare_cost(limit)
    if request.budget and request.budget.tokens:
        spare = min(spare, max(0, request.budget.tokens - cost))
        cost = min(cost, request.budget.tokens)
    if cost > max_cost and "max_completion_tokens" not in request.hints:
        raise build_cost_error(cost, max_cost, "strategy")
    return min(cost + spare, max_cost)


def build_cost_error(cost: int, max_cost: int, param: str) -> BadRequest:
    """Build the error for a request whose cost, in tokens, is above the limit of the server or the key."""
    return BadRequest(
        f"This request may decode up to {cost} tokens, and the limit is {max_cost}: lower n, max_tokens or "
        "budget.tokens.",
        param=param,
        code="cost_exceeded",
    )
