"""Requests whose temperature makes candidates, or choices, copies of each other: one is decoded. Pure."""

from cogitate.server.protocol.completion import AnyRequest
from cogitate.strategies import AnyStrategy

MIN_VARIED_TEMPERATURE = 0.1
"""Below it, where a client sends it, the candidates of a strategy are taken for copies of each other."""
MIN_SAMPLED_TEMPERATURE = 1e-5
"""Below it vLLM decodes greedily, and takes no n above 1."""


def limit_copies(strategy: AnyStrategy, request: AnyRequest) -> AnyStrategy:
    """Return the strategy with one candidate where the request's temperature makes all candidates copies."""
    if request.temperature is None or request.temperature >= MIN_VARIED_TEMPERATURE:
        return strategy
    return strategy.model_copy(update=dict(strategy.single))


def describe_limit(asked: AnyStrategy, strategy: AnyStrategy, temperature: float | None) -> tuple[str, ...]:
    """Return the warning of a strategy that was limited to one candidate; empty where it was not."""
    if strategy == asked:
        return ()
    return (
        f"At temperature {temperature:g} the candidates of {asked.name} are copies of one, so only one was decoded: to "
        f"choose among several, set temperature to {MIN_VARIED_TEMPERATURE} or more, or omit it.",
    )


def separate_copies(request: AnyRequest) -> tuple[AnyRequest, int]:
    """Return the request for one of the n choices that greedy decoding makes equal, and n; else the request, and 1.

    OpenAI answers n equal choices, and vLLM refuses such a request. One is decoded, and billed once.
    """
    is_greedy = request.temperature is not None and request.temperature < MIN_SAMPLED_TEMPERATURE
    copies = request.n or 1
    return (request.model_copy(update={"n": 1}), copies) if is_greedy and copies > 1 else (request, 1)


def join_copies(request: AnyRequest, copies: int) -> AnyRequest:
    """Return the request with `n` as it was sent, for the cache key."""
    return request if copies == 1 else request.model_copy(update={"n": copies})
