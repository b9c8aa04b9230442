"""Builds the `Plan` of a request from the configuration, with a strategy or for the engine to answer. Pure."""

import os
from collections.abc import Mapping

from cogitate.server.auth.caller import Caller
from cogitate.server.config.vote_priors import find_vote_prior
from cogitate.server.engine import ModelCard
from cogitate.server.errors import UnsupportedParameter
from cogitate.server.planning.cache_key import compute_cache_key
from cogitate.server.planning.compatibility import (
    check_code_execution,
    check_compatibility,
    check_key_strategies,
    check_plain_width,
    check_strategy_width,
)
from cogitate.server.planning.copies import describe_limit, join_copies, limit_copies, separate_copies
from cogitate.server.planning.cost import (
    DEFAULT_RAW_MAX_TOKENS,
    build_cost_error,
    compute_cost,
    max_answer_tokens,
)
from cogitate.server.planning.media import check_media
from cogitate.server.planning.models import check_models, check_verifier_needs
from cogitate.server.planning.plan import Plan
from cogitate.server.planning.sampling import build_sampling
from cogitate.server.planning.strategy_selection import (
    adapt_to_request,
    limit_concurrency,
    preset_name,
    select_strategy,
)
from cogitate.server.planning.token_fields import check_token_fields
from cogitate.server.planning.verifier_checks import check_verifier_options
from cogitate.server.protocol.chat import ChatRequest
from cogitate.server.protocol.completion import AnyRequest
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.protocol.responses import ResponsesRequest
from cogitate.server.settings import Settings
from cogitate.strategies import AnyStrategy
from cogitate.strategies.core.ports import Verifier
from cogitate.strategies.core.programs import NoPrograms
from cogitate.strategies.core.vote_prior import VotePrior

NO_SEED = -1
"""What vLLM, llama.cpp and others take for no seed: such an answer is not repeated."""


def build_plan(
    request: AnyRequest, card: ModelCard, settings: Settings, verifiers: Mapping[str, Verifier], caller: Caller
) -> Plan:
    """Raises ApiError: an unknown model, a strategy or field that cannot be honoured, a cost above the limit."""
    if has_parts(request):
        check_media(request, card)
    max_cost = min(settings.max_cost, caller.limits.cost or settings.max_cost)
    name = card.name if request.model == card.name else card.resolve(request.model)
    if request.strategy is None and request.model == name:
        return _build_plain_plan(request, card, caller, max_cost)
    strategy = select_strategy(request, name, settings.presets)
    shared = check_models(request, strategy, card)
    asked = limit_concurrency(adapt_to_request(strategy, request), caller.limits.generations)
    strategy = limit_copies(asked, request)
    check_permissions(strategy, settings, caller)
    check_verifier_options(strategy)
    verifiers = strategy.build_verifiers(verifiers, NoPrograms())
    check_compatibility(request, asked, shared.abilities, verifiers)
    check_verifier_needs(asked, card, shared.abilities, verifiers)
    if has_token_fields(request):
        check_token_fields(request, card, max_answer_tokens(request))
    prior = find_prior(settings, request, name, strategy)
    key = compute_cache_key(request, asked, card, caller.tenant, prior) if request.cache != "no-store" else None
    return Plan(
        request=request,
        model=request.model,
        strategy=strategy,
        prompt=strategy.instruct(request.strategy_prompt),
        sampling=build_sampling(request, strategy, verifiers, shared.abilities),
        width=strategy.in_flight,
        cost=compute_cost(request, strategy, max_cost),
        key=key,
        caller=caller,
        abilities=shared.abilities,
        context=shared.max_model_len,
        served_model=name,
        vote_prior=prior,
        warnings=describe_limit(asked, strategy, request.temperature),
        id=new_answer_id(request),
    )


def check_permissions(strategy: AnyStrategy, settings: Settings, caller: Caller) -> None:
    """Raises ApiError where the caller's key, or the server, does not allow the strategy, its programs or its width."""
    check_key_strategies(strategy, caller.limits)
    check_code_execution(strategy, settings.code_exec, caller)
    check_strategy_width(strategy, caller.limits.generations)


def find_prior(settings: Settings, request: AnyRequest, name: str, strategy: AnyStrategy) -> VotePrior | None:
    """Return the operator's prior on the votes of the request's model and preset; None where other models vote."""
    if strategy.other_models.get("models"):
        return None
    return find_vote_prior(settings.vote_priors, name, preset_name(request.model, name, strategy))


def _build_plain_plan(request: AnyRequest, card: ModelCard, caller: Caller, max_cost: int) -> Plan:
    """Plan a request that the engine answers. It is cached where the engine would repeat its answer exactly."""
    if request.budget is not None:
        raise UnsupportedParameter("budget needs a strategy; a plain request is bounded by max_tokens.", param="budget")
    request, copies = separate_copies(request) if request.n not in (None, 1) else (request, 1)
    n, context = request.n or 1, card.max_model_len
    is_chat = isinstance(request, ChatRequest)
    width = n if is_chat else n * request.width
    if caller.limits.generations is not None:
        check_plain_width(request, width, caller.limits.generations)
    default = context if is_chat else DEFAULT_RAW_MAX_TOKENS
    limit, cost = bound_plain_answer(asked := request.limit, default, width, context, max_cost)
    if limit != asked:
        request = request.model_copy(update={"max_tokens": limit})
    if has_token_fields(request):
        check_token_fields(request, card, limit or default)
    if cost > max_cost:
        raise build_cost_error(cost, max_cost, "max_tokens")
    repeats = request.temperature == 0 or request.seed not in (None, NO_SEED)
    is_cacheable = repeats and request.cache != "no-store" and not (request.stream and request.needs_engine_stream)
    return Plan(
        request=request,
        model=request.model,
        strategy=None,
        width=width,
        cost=cost,
        key=compute_cache_key(request if copies == 1 else join_copies(request, copies), None, card, caller.tenant)
        if is_cacheable
        else None,
        caller=caller,
        abilities=card.abilities,
        copies=copies,
        id=new_answer_id(request),
    )


def bound_plain_answer(
    limit: int | None, default: int, width: int, context: int, max_cost: int
) -> tuple[int | None, int]:
    """Return the limit of each of `width` plain answers, and their cost, in tokens.

    `default`: what an answer without a limit may have. Where that is the context, and costs too much, the answer is
    given a limit; None: it keeps having none.
    """
    if limit is None and default == context and 0 < (affordable := max_cost // width) < context:
        limit = affordable
    return limit, min(limit or default, context) * width


def has_parts(request: AnyRequest) -> bool:
    """Whether the content of a message is a list of parts, which may be media."""
    return isinstance(request, ChatRequest) and any(isinstance(each.content, list) for each in request.messages)


def has_token_fields(request: AnyRequest) -> bool:
    """Whether it has fields that are to be compared with the model's vocabulary or the answer's limit."""
    return bool(request.min_tokens or request.logit_bias or request.allowed_token_ids or request.stop_token_ids)


def new_answer_id(request: AnyRequest | ResponsesRequest | PlainBody) -> str:
    """Return a new id for the answer, with the prefix of its endpoint."""
    if isinstance(request, PlainBody):
        prefix = request.id_prefix
    else:
        prefix = "chatcmpl" if isinstance(request, ChatRequest) else "cmpl"
    return f"{prefix}-{os.urandom(16).hex()}"
