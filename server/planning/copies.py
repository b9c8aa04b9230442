"""Requests whose temperature makes candidates, or choices, copies of each other: one is decoded. Pure."""

from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.strategies import AnyStrategy

MIN_VARIED_TEMPERATURE = 0.1
"""Below it, where a client sends it, the candidates of a strategy are taken for copies of each other."""
MIN_SAMPLED_TEMPERATURE = 1e-5
"""Below it vLLM decodes greedily, and takes no n above 1."""

MAX_COPIES = 128
"""OpenAI's limit of n; above it vLLM refuses the request."""
PATHS_WITH_CHOICES = ("/v1/chat/completions", "/v1/completions")
"""The paths whose answers have `n` choices."""


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
    copies = request.n or 1
    return (request.model_copy(update={"n": 1}), copies) if is_greedy(request) and copies > 1 else (request, 1)


def separate_body_copies(body: PlainBody) -> tuple[PlainBody, int]:
    """The same for a body as the client sent it. A beam search has n different choices at any temperature."""
    has_choices = body.path in PATHS_WITH_CHOICES and body.content.get("n") == body.n and 1 < body.n <= MAX_COPIES
    if not has_choices or not is_greedy(body) or body.content.get("use_beam_search"):
        return body, 1
    return body.with_n(1), body.n


def is_greedy(request: AnyRequest | PlainBody) -> bool:
    """Whether the client's temperature makes vLLM decode greedily."""
    return request.temperature is not None and 0 <= request.temperature < MIN_SAMPLED_TEMPERATURE


def join_copies(request: AnyRequest, copies: int) -> AnyRequest:
    """Return the request with `n` as it was sent, for the cache key."""
    return request.model_copy(update={"n": copies})
