"""A request and what was configured -> a Plan: names resolved, cost bounded, key computed. Pure."""

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.errors import BadRequest
from cogitate.server.planning.compatibility import (
    check_code_execution,
    check_compatibility,
    check_in_flight_limit,
    check_key_strategies,
    check_verifier_options,
    max_in_flight,
)
from cogitate.server.planning.strategy_selection import adapt_to_request, limit_concurrency, select_strategy
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest, CompletionRequest
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.settings import Settings
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.answer_reader import AnswerReader
from cogitate.strategies.core.ports import ABILITIES, Ability, Verifier
from cogitate.strategies.core.programs import NoPrograms
from cogitate.strategies.core.types import Prompt, Sampling

KEY_SCHEMA = 3
DEFAULT_MAX_TOKENS = 2048
"""Tokens per candidate of a chat where the client sets no limit: the reference recipes' (search-and-learn)."""
RAW_MAX_TOKENS = 16
"""OpenAI's default for a raw completion."""
FIELDS_NOT_IN_KEY = {"stream", "stream_options", "user", "metadata", "cache", "model", "strategy"}
"""What does not change the answer, or is resolved before it is keyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A request that may be run as it stands."""

    request: AnyRequest | ResponsesRequest
    model: str
    """As the client named it."""
    strategy: AnyStrategy | None
    prompt: Prompt
    sampling: Sampling
    cost: int
    """The most tokens it may decode."""
    key: str | None
    """The cache key; None: not cached."""
    caller: Caller = Caller()
    abilities: frozenset[Ability] = ABILITIES
    id: str = ""
    created: int = field(default_factory=lambda: int(time.time()))
    started: float = field(default_factory=time.monotonic, compare=False)
    """From here on its seconds count: what it waits for its turn among others is its own time."""

    @property
    def seconds_left(self) -> float | None:
        """Of the client's own limit; None: it has none."""
        budget = self.request.budget
        return None if budget is None or budget.seconds is None else self.started + budget.seconds - time.monotonic()

    @property
    def number(self) -> str:
        """What tells its answer from all others."""
        return answer_number(self.id)

    @property
    def strategy_name(self) -> str:
        return self.strategy.name if self.strategy else "none"

    @property
    def is_shareable(self) -> bool:
        """What is found for another that asked the same meanwhile answers this one too."""
        alone = self.strategy is None and self.request.stream
        return self.key is not None and self.request.cache != "refresh" and not alone

    @property
    def waits_for_peers(self) -> bool:
        """For another process too, which would show what it has only in the end: not with a deadline."""
        return self.is_shareable and not (self.request.budget and self.request.budget.seconds)

    @property
    def reading(self) -> AnswerReader:
        """How its candidates are read."""
        tools = isinstance(self.request, ChatRequest) and self.request.offers_tools
        if self.strategy is None:
            return AnswerReader(tools=tools)
        return AnswerReader(format=self.strategy.answer_format, vote_on=self.strategy.vote_on, tools=tools)

    @property
    def width(self) -> int:
        """The most generations that it has in flight at once."""
        return max_in_flight(self.request, self.strategy)

    @property
    def answer_count(self) -> int:
        """How many the client wants to see."""
        return self.request.n or 1


def build_plan(
    request: AnyRequest, card: ModelCard, settings: Settings, verifiers: Mapping[str, Verifier], caller: Caller
) -> Plan:
    """Raises ApiError: an unknown model, a strategy or a field that cannot be honoured, a cost above the limit."""
    strategy = select_strategy(request, card.name, settings.presets)
    if strategy:
        strategy = limit_concurrency(adapt_to_request(strategy, request), caller.rights.generations)
    check_key_strategies(strategy, caller.rights)
    check_code_execution(strategy, settings.code_exec, caller)
    check_verifier_options(strategy)
    verifiers = strategy.build_verifiers(verifiers, NoPrograms()) if strategy else verifiers
    check_compatibility(request, strategy, card, verifiers)
    check_in_flight_limit(request, strategy, caller.rights.generations)
    most = min(settings.max_cost, caller.rights.max_cost or settings.max_cost)
    request = request if strategy else cap_max_tokens(request, card.max_model_len, most)
    return Plan(
        request=request,
        model=request.model,
        strategy=strategy,
        prompt=strategy.instruct(request.strategy_prompt) if strategy else request.strategy_prompt,
        sampling=build_sampling(request, strategy, verifiers, card.abilities),
        cost=compute_cost(request, strategy, card.max_model_len, most),
        key=compute_cache_key(request, strategy, card, caller.tenant) if is_cacheable(request, strategy) else None,
        caller=caller,
        abilities=card.abilities,
        id=new_answer_id(request),
    )


def new_answer_id(request: AnyRequest | ResponsesRequest) -> str:
    return f"{'chatcmpl' if isinstance(request, ChatRequest) else 'cmpl'}-{os.urandom(16).hex()}"


def answer_number(id: str) -> str:
    """An answer's number, by its id."""
    return id.rpartition("-")[2]


def max_answer_tokens(request: AnyRequest) -> int:
    return request.limit or (DEFAULT_MAX_TOKENS if isinstance(request, ChatRequest) else RAW_MAX_TOKENS)


def build_sampling(
    request: AnyRequest, strategy: AnyStrategy | None, verifiers: Mapping[str, Verifier], able: frozenset[Ability]
) -> Sampling:
    default = strategy.temperature if strategy else None
    return Sampling(
        max_tokens=max_answer_tokens(request),
        temperature=request.temperature if request.temperature is not None else default,
        seed=request.seed,
        logprobs=count_alternatives(request, strategy, verifiers, able),
        constrained=request.constrains_text,
    )


def count_alternatives(
    request: AnyRequest, strategy: AnyStrategy | None, verifiers: Mapping[str, Verifier], able: frozenset[Ability]
) -> int | None:
    """Alternatives per token: as many as the client, a verifier or the strategy wants to see."""
    wanted = [verifiers[name].logprobs for name in strategy.verifiers] if strategy else []
    if strategy and "logprobs" in able:
        wanted.append(strategy.logprobs)
    return max((top for top in (*wanted, request.alternatives) if top is not None), default=None)


def cap_max_tokens(request: AnyRequest, context: int, most: int) -> AnyRequest:
    """A plain chat that sets no limit has the engine's; where that may cost too much, it is what may be spent."""
    each = most // (request.n or 1)
    if isinstance(request, CompletionRequest) or request.limit or each >= context or not each:
        return request
    return request.model_copy(update={"max_tokens": each})


def compute_cost(request: AnyRequest, strategy: AnyStrategy | None, context: int, limit: int) -> int:
    """Candidates x rounds x tokens, verifiers included; the request's own token budget caps it."""
    if strategy:
        cost = strategy.cost(max_answer_tokens(request))
    else:
        most = request.limit or (context if isinstance(request, ChatRequest) else RAW_MAX_TOKENS)
        cost = min(most, context) * (request.n or 1) * request.width
    if request.budget and request.budget.tokens:
        cost = min(cost, request.budget.tokens)
    if cost > limit:
        raise BadRequest(
            f"This request may decode up to {cost} tokens, and the limit is {limit}: lower n, max_tokens or "
            "budget.tokens.",
            param="strategy" if strategy else "max_tokens",
            code="cost_exceeded",
        )
    return cost


def is_cacheable(request: AnyRequest, strategy: AnyStrategy | None) -> bool:
    """A strategy's answers are; a plain request's only where it would repeat exactly."""
    if request.cache == "no-store":
        return False
    if strategy is None and request.stream and request.needs_engine_stream:
        return False
    return strategy is not None or request.temperature == 0 or request.seed is not None


def compute_cache_key(request: AnyRequest | ResponsesRequest, strategy: AnyStrategy | None, card: ModelCard, tenant: str) -> str:
    """One key for everything that shapes an answer, and nothing else. Constant length, and it reveals nothing."""
    said = {
        "schema": KEY_SCHEMA,
        "kind": type(request).__name__,
        "tenant": tenant,
        "model": [card.name, card.revision],
        "strategy": [strategy.model_dump(mode="json"), strategy.version] if strategy else None,
        "request": request.model_dump(mode="json", exclude_none=True, exclude=FIELDS_NOT_IN_KEY, by_alias=True),
    }
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
