"""A request and what was configured -> a Plan: names resolved, cost bounded, key computed. Pure."""

import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from server.api.openai import ChatRequest, CompletionRequest
from server.engine import ModelCard
from server.errors import BadRequest, ModelNotFound, Unsupported, invalid
from server.settings import Settings
from strategies import STRATEGIES, AnyStrategy, parse
from strategies.ports import Verifier
from strategies.types import Prompt, Sampling

KEY_SCHEMA = 1
DEFAULT_MAX_TOKENS = 2048
"""Tokens per candidate where the client sets no limit: the reference recipes' (search-and-learn)."""

UNSUPPORTED = (
    "n",
    "echo",
    "add_generation_prompt",
    "continue_final_message",
    "return_token_ids",
    "include_stop_str_in_output",
    "ignore_eos",
)
"""What a strategy cannot honour, when it is set to anything but its default."""
STEPWISE_UNSUPPORTED = ("tools", "response_format", "min_tokens")
"""A grammar and a minimum length begin anew at each step, so step-wise search cannot hold them."""
NOT_IN_KEY = {"stream", "stream_options", "user", "metadata", "cache", "model", "strategy"}
"""What does not change the answer, or is resolved before it is keyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request that may be run as it stands."""

    request: ChatRequest | CompletionRequest
    model: str
    """As the client named it."""
    strategy: AnyStrategy | None
    prompt: Prompt
    sampling: Sampling
    cost: int
    """The most tokens it may decode."""
    key: str | None
    """The cache key; None: not cached."""
    trace_id: str = ""
    """The request's id: the client's own, or the one it was given."""
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(16)}")

    @property
    def strategy_name(self) -> str:
        return self.strategy.name if self.strategy else "none"


def plan(
    request: ChatRequest,
    card: ModelCard,
    settings: Settings,
    verifiers: Mapping[str, Verifier],
    tenant: str,
    trace_id: str = "",
) -> Plan:
    """Raises ApiError: an unknown model, a strategy or a field that cannot be honoured, a cost above the limit."""
    strategy = fitted(chosen(request, card), request)
    if strategy is None:
        refuse_budget(request)
    else:
        refuse_unsupported(request, strategy)
        refuse_unknown_verifiers(strategy, verifiers)
    prompt = strategy.instructed(request.prompt) if strategy else request.prompt
    sampling = sampled(request, strategy, verifiers)
    return Plan(
        request=request,
        model=request.model,
        strategy=strategy,
        prompt=prompt,
        sampling=sampling,
        cost=bounded_cost(request, strategy, card.max_model_len, settings.max_cost),
        key=digest(request, strategy, card, tenant) if cacheable(request, strategy) else None,
        trace_id=trace_id,
    )


def plan_completion(request: CompletionRequest, card: ModelCard, settings: Settings) -> Plan:
    """A raw prompt is the engine's own to answer: strategies are for chats. Raises ApiError."""
    if request.strategy is not None or request.model.startswith(f"{card.name}@"):
        raise Unsupported("Strategies need a chat: use /v1/chat/completions.", param="strategy")
    if request.model != card.name:
        raise unknown_model(request.model)
    refuse_budget(request)
    cost = min(request.max_tokens or 16, card.max_model_len) * (request.n or 1) * request.width
    check_cost(cost, settings.max_cost, "max_tokens")
    return Plan(
        request=request, model=request.model, strategy=None, prompt=Prompt(()), sampling=Sampling(), cost=cost, key=None
    )


def refuse_budget(request: ChatRequest | CompletionRequest) -> None:
    """The engine's own answer has no best so far to give."""
    if request.budget is not None:
        raise Unsupported("budget needs a strategy; a plain request is bounded by max_tokens.", param="budget")


def unknown_model(name: str) -> ModelNotFound:
    return ModelNotFound(f"The model `{name}` does not exist or you do not have access to it.", param="model")


def check_cost(cost: int, limit: int, param: str) -> None:
    if cost > limit:
        raise BadRequest(
            f"This request may decode up to {cost} tokens, and the limit is {limit}: lower n, max_tokens or "
            "budget.tokens.",
            param=param,
            code="cost_exceeded",
        )


def chosen(request: ChatRequest, card: ModelCard) -> AnyStrategy | None:
    """The strategy, said in the body or behind the model's name; both are fine where they agree."""
    suffix = request.model.removeprefix(f"{card.name}@")
    if request.model == card.name:
        suffix = ""
    elif not request.model.startswith(f"{card.name}@") or suffix not in STRATEGIES:
        raise unknown_model(request.model)
    said = request.strategy
    if said is None:
        return parse.validate_python({"name": suffix}) if suffix else None
    if suffix and said.get("name") != suffix:
        raise BadRequest(f"model names the strategy {suffix}, and strategy another one.", param="strategy")
    try:
        return parse.validate_python(said)
    except ValidationError as error:
        raise invalid(error, prefix="strategy", hide=STRATEGIES) from None


def fitted(strategy: AnyStrategy | None, request: ChatRequest) -> AnyStrategy | None:
    """A JSON answer is read, compared and asked for as JSON, unless the request says otherwise."""
    wants_json = request.response_format is not None and request.response_format.type != "text"
    if strategy is None or not wants_json or strategy.answer_format != "auto":
        return strategy
    return strategy.model_copy(update={"answer_format": "json"})


def refuse_unsupported(request: ChatRequest, strategy: AnyStrategy) -> None:
    defaults = {"n": (1,), "add_generation_prompt": (True,)}
    fields = [*UNSUPPORTED, *(STEPWISE_UNSUPPORTED if strategy.name == "beam_search" else ())]
    for name in fields:
        value = getattr(request, name)
        if value not in (None, False, *defaults.get(name, ())):
            raise Unsupported(f"{name} cannot be honoured together with the strategy {strategy.name}.", param=name)


def refuse_unknown_verifiers(strategy: AnyStrategy, known: Collection[str]) -> None:
    for name in strategy.verifiers:
        if name not in known:
            names = ", ".join(sorted(known))
            raise BadRequest(f"There is no verifier `{name}` here; there are: {names}.", param="strategy.verifier")


def sampled(request: ChatRequest, strategy: AnyStrategy | None, verifiers: Mapping[str, Verifier]) -> Sampling:
    default = strategy.temperature if strategy else None
    return Sampling(
        max_tokens=request.limit or DEFAULT_MAX_TOKENS,
        temperature=request.temperature if request.temperature is not None else default,
        seed=request.seed,
        logprobs=logprobs(request, strategy, verifiers),
    )


def logprobs(request: ChatRequest, strategy: AnyStrategy | None, verifiers: Mapping[str, Verifier]) -> int | None:
    """Alternatives per token: as many as the client or a verifier wants to see."""
    wanted = [verifiers[name].logprobs for name in strategy.verifiers] if strategy else []
    asked = request.top_logprobs or 0 if request.logprobs else None
    return max((top for top in (*wanted, asked) if top is not None), default=None)


def bounded_cost(request: ChatRequest, strategy: AnyStrategy | None, context: int, limit: int) -> int:
    """Candidates x rounds x tokens, verifiers included; the request's own token budget caps it."""
    if strategy:
        cost = strategy.cost(request.limit or DEFAULT_MAX_TOKENS)
    else:
        cost = min(request.limit or context, context) * (request.n or 1)
    if request.budget and request.budget.tokens:
        cost = min(cost, request.budget.tokens)
    check_cost(cost, limit, "strategy" if strategy else "max_tokens")
    return cost


def cacheable(request: ChatRequest, strategy: AnyStrategy | None) -> bool:
    """A strategy's answers are; a plain request's only where it would repeat exactly."""
    if request.cache == "no-store":
        return False
    return strategy is not None or request.temperature == 0 or request.seed is not None


def digest(request: ChatRequest, strategy: AnyStrategy | None, card: ModelCard, tenant: str) -> str:
    """One key for everything that shapes an answer, and nothing else. Constant length, and it reveals nothing."""
    said = {
        "schema": KEY_SCHEMA,
        "tenant": tenant,
        "model": [card.name, card.revision],
        "strategy": [strategy.model_dump(mode="json"), strategy.version] if strategy else None,
        "request": request.model_dump(mode="json", exclude_none=True, exclude=NOT_IN_KEY, by_alias=True),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
