"""Builds the `Plan` of a decisions request: model resolved, reads bounded, cache key computed. Pure."""

import os

from cogitate.server.auth.caller import Caller
from cogitate.server.engine import ModelCard
from cogitate.server.errors import BadRequest, UnsupportedParameter
from cogitate.server.planning.cache_key import compute_cache_key
from cogitate.server.planning.plain_plan import check_shared_fields
from cogitate.server.planning.plan import Plan
from cogitate.server.planning.strategy_selection import parse_model_name
from cogitate.server.protocol.decisions import DecisionRequest
from cogitate.server.protocol.plain_body import PlainBody
from cogitate.server.settings import Settings

MAX_READS = 4096
MAX_READ_CHARACTERS = 64_000_000
"""Of the input, summed over all reads: some 16 million tokens, most of which the engine has in its cache."""
MAX_READS_IN_FLIGHT = 64


def build_decision_plan(request: DecisionRequest, card: ModelCard, settings: Settings, caller: Caller) -> Plan:
    """Raises ApiError: an unknown model, a strategy, an engine without log-probabilities, too many reads."""
    check_model(request, card, settings)
    if settings.api_keys_file is not None:
        check_shared_fields(PlainBody("/v1/decisions", {"cache_salt": request.cache_salt}), settings.allow_field)
    limits = caller.limits
    caps = MAX_READS_IN_FLIGHT, settings.max_generations, limits.generations
    check_reads(request, min(MAX_READS, settings.max_cost, limits.cost or settings.max_cost))
    return Plan(
        request=request,
        model=request.model,
        strategy=None,
        width=min(request.reads, *(most for most in caps if most)),
        cost=request.reads,
        key=None if request.cache == "no-store" else compute_cache_key(request, None, card, caller.tenant),
        caller=caller,
        abilities=card.abilities,
        id=f"decision-{os.urandom(16).hex()}",
    )


def check_model(request: DecisionRequest, card: ModelCard, settings: Settings) -> None:
    """Raises ModelNotFound, and UnsupportedParameter for a strategy or an engine without log-probabilities."""
    name = card.resolve(request.model)
    if request.model != name:
        strategy = parse_model_name(request.model, name, settings.presets)
        reason = "a decision is the mean over orders and repeats, and no search"
        raise UnsupportedParameter(
            f"model names the strategy {strategy.name}, but {reason}: use {name}.", param="model"
        )
    if "logprobs" not in card.abilities:
        reason = "its engine reports no log-probabilities, of which the answers are made"
        raise UnsupportedParameter(f"This model cannot answer decisions, since {reason}.", param="model")


def check_reads(request: DecisionRequest, limit: int) -> None:
    """Raises BadRequest for more reads than `limit`, each of which decodes one token, and for too long ones."""
    remedy = "ask fewer questions, or lower orders or repeats"
    if request.reads > limit:
        raise BadRequest(
            f"This request takes {request.reads} reads, and the limit is {limit}: {remedy}.",
            param="questions",
            code="cost_exceeded",
        )
    size = sum(len(str(part.get("text") or part.get("image_url"))) for part in request.evidence)
    if request.reads * size > MAX_READ_CHARACTERS:
        message = (
            f"This request reads its input of {size} characters {request.reads} times, and the limit of both together "
            f"is {MAX_READ_CHARACTERS} characters: {remedy}."
        )
        raise BadRequest(message, param="questions", code="cost_exceeded")
